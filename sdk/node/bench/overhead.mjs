// What mesh.call costs beside node:http with a keep-alive agent, and beside Node's fetch (which cannot name a service: it
// drops Host), all to the same port: paired rounds in changing order, then the median of the rounds' ratios. Against a server of its own, or a real sidecar:
//
//   node bench/overhead.mjs [--rounds 15] [--calls 4000] [--concurrency 16] [--address HOST:PORT --service NAME --path /PATH] [--json]
import { fork } from "node:child_process";
import { Agent, createServer, request } from "node:http";
import { performance } from "node:perf_hooks";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

import { createMesh } from "../src/index.js";

const BODY = JSON.stringify({ valid: true, passport: "C01X0006H", checked: ["number", "expiry", "watchlist"] });

if (process.send) serve();
else await compare(readOptions());

function serve() {
    const server = createServer((incoming, response) => {
        incoming.resume();
        response.writeHead(200, { "content-type": "application/json", "content-length": BODY.length });
        response.end(BODY);
    });
    server.listen(0, "127.0.0.1", () => process.send(`127.0.0.1:${server.address().port}`));
    process.on("disconnect", () => process.exit());
}

function readOptions() {
    const { values } = parseArgs({
        options: {
            rounds: { type: "string", default: "15" },
            calls: { type: "string", default: "4000" },
            concurrency: { type: "string", default: "16" },
            address: { type: "string" },
            service: { type: "string", default: "identity-check" },
            path: { type: "string", default: "/validate" },
            json: { type: "boolean", default: false },
        },
    });
    const [rounds, calls, concurrency] = [values.rounds, values.calls, values.concurrency].map(Number);
    return { ...values, rounds, calls, concurrency };
}

async function compare(options) {
    const child = options.address ? undefined : fork(fileURLToPath(import.meta.url));
    const address = options.address ?? (await new Promise((resolve) => child.once("message", resolve)));
    const { service, path } = options;
    const mesh = createMesh({ address });
    const plain = plainCaller(address, service, path);
    const json = { passport: "C01X0006H" };
    const fetched = { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(json) };
    const ways = {
        "node:http": plain,
        "fetch": async () => (await fetch(`http://${address}${path}`, fetched)).json(),
        "mesh.call().json()": () => mesh.call(service, path, { method: "POST", json }).json(),
        "await mesh.call()": async () => (await mesh.call(service, path, { method: "POST", json })).json(),
    };
    const taken = Object.fromEntries(Object.keys(ways).map((way) => [way, []]));
    for (let round = -1; round < options.rounds; round++) {
        const names = round % 2 === 0 ? Object.keys(ways) : Object.keys(ways).reverse();
        for (const name of names) {
            const cost = await measure(ways[name], options);
            // The round before the first warms up.
            if (round >= 0) taken[name].push(cost);
        }
    }
    report(taken, options);
    mesh.close();
    plain.agent.destroy();
    child?.disconnect();
    // What fetch keeps open would hold the process for some seconds.
    process.exit();
}

/** The same request and reading of its answer, by hand. */
function plainCaller(address, service, path) {
    const at = new URL(`http://${address}`);
    const agent = new Agent({ keepAlive: true, scheduling: "lifo" });
    const target = { host: at.hostname, port: at.port, path, method: "POST", agent, setHost: false };
    const call = () => new Promise((resolve, reject) => {
        const body = JSON.stringify({ passport: "C01X0006H" });
        const outgoing = request({ ...target, headers: { host: service, "content-type": "application/json" } }, (response) => {
            const chunks = [];
            response.on("data", (chunk) => chunks.push(chunk));
            response.on("end", () => resolve(JSON.parse(Buffer.concat(chunks).toString())));
            response.on("error", reject);
        });
        outgoing.on("error", reject);
        outgoing.end(body);
    });
    return Object.assign(call, { agent });
}

/** Microseconds a call: of the clock, of this process's CPU, and of the call that half of them were faster than. */
async function measure(call, { calls, concurrency }) {
    const started = performance.now();
    const before = process.cpuUsage();
    const latencies = [];
    let left = calls;
    const worker = async () => {
        while (left-- > 0) {
            const began = performance.now();
            await call();
            latencies.push(performance.now() - began);
        }
    };
    await Promise.all(Array.from({ length: concurrency }, worker));
    const cpu = process.cpuUsage(before);
    const wall = ((performance.now() - started) * 1000) / calls;
    return { wall, cpu: (cpu.user + cpu.system) / calls, p50: spread(latencies).median * 1000 };
}

function report(taken, { rounds, calls, concurrency, json }) {
    const base = taken["node:http"];
    const ratiosOf = (costs, key) => spread(costs.map((cost, round) => cost[key] / base[round][key]));
    if (json) {
        const figures = (costs) => ["wall", "cpu", "p50"].map((key) => [key, { us: spread(costs.map((cost) => cost[key])).median, ratio: ratiosOf(costs, key) }]);
        console.log(JSON.stringify(Object.fromEntries(Object.entries(taken).map(([name, costs]) => [name, Object.fromEntries(figures(costs))]))));
        return;
    }
    console.log(`${rounds} rounds of ${calls} calls, ${concurrency} at once; medians, and of each round's ratio to node:http its median, least and most`);
    for (const [name, costs] of Object.entries(taken)) {
        const ratios = (key) => ratiosOf(costs, key);
        const micros = (key) => spread(costs.map((cost) => cost[key])).median.toFixed(1).padStart(6);
        console.log(`${name.padEnd(19)} ${micros("wall")} µs a call ${told(ratios("wall"))} · ${micros("cpu")} µs of CPU ${told(ratios("cpu"))} · p50 ${micros("p50")} µs ${told(ratios("p50"))}`);
    }
}

function told({ median, least, most }) {
    return `×${median.toFixed(2)} (${least.toFixed(2)}-${most.toFixed(2)})`;
}

function spread(values) {
    const sorted = [...values].sort((one, other) => one - other);
    return { median: sorted[sorted.length >> 1], least: sorted[0], most: sorted.at(-1) };
}

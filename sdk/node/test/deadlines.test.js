import assert from "node:assert/strict";
import { AsyncResource } from "node:async_hooks";
import { createServer, request } from "node:http";
import { performance } from "node:perf_hooks";
import { test } from "node:test";

import { failureOf, fakeSidecar, listen, pause } from "./support.js";

const TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

/** An app of plain `node:http` whose handler is the test's; gives a function that calls it and tells its answer. */
async function app(t, handler) {
    const server = createServer((incoming, response) => {
        handler(incoming, response).catch((error) => response.end(JSON.stringify({ code: error.code ?? error.message })));
    });
    const address = await listen(t, server);
    return (headers = {}, path = "/") => fetch(`http://${address}${path}`, { headers }).then((response) => response.json());
}

/** An app that calls once and answers with the headers that its call had. */
async function passingOn(t, options) {
    const { mesh } = await fakeSidecar(t);
    return app(t, async (incoming, response) => {
        await pause(30);
        const { headers } = await mesh.call("identity-check", "/", options).json();
        response.end(JSON.stringify(headers));
    });
}

test("a handler's calls carry on its trace, with no code of the handler's", async (t) => {
    const visit = await passingOn(t);
    const headers = await visit({ traceparent: TRACE, tracestate: "vendor=1" });
    assert.equal(headers.traceparent, TRACE);
    assert.equal(headers.tracestate, "vendor=1");
});

test("what is no trace is not carried on, and none is made up", async (t) => {
    const visit = await passingOn(t);
    for (const given of [{}, { traceparent: "x", tracestate: "vendor=1" }]) {
        const headers = await visit(given);
        assert.ok(!("traceparent" in headers) && !("tracestate" in headers));
    }
});

test("a trace that the handler gives goes before the one that came", async (t) => {
    const own = TRACE.replace("00f067aa", "11111111");
    const headers = await (await passingOn(t, { headers: { traceparent: own } }))({ traceparent: TRACE, tracestate: "vendor=1" });
    assert.equal(headers.traceparent, own);
    assert.equal(headers.tracestate, undefined);
});

test("a deadline leaves what is left of it", async (t) => {
    const left = Number((await (await passingOn(t))({ "x-hms-timeout-ms": "5000" }))["x-hms-timeout-ms"]);
    assert.ok(left > 4_000 && left <= 4_971, `${left} ms of 5000 after 30`);
});

test("the shorter of the call's timeout and what is left rules", async (t) => {
    const sent = async (timeout, given) => {
        const visit = await passingOn(t, { timeout });
        return Number((await visit(given ? { "x-hms-timeout-ms": given } : {}))["x-hms-timeout-ms"]);
    };
    assert.equal(await sent("800ms"), 800);
    assert.equal(await sent("2s"), 2_000);
    assert.equal(await sent("1m"), 60_000);
    assert.equal(await sent(0.2), 1);
    assert.equal(await sent(800, "5000"), 800);
    assert.ok((await sent("10s", "5000")) < 5_000);
});

test("without a timeout or a deadline the sidecar's own rules", async (t) => {
    assert.equal((await (await passingOn(t))())["x-hms-timeout-ms"], undefined);
    assert.equal((await (await passingOn(t))({ "x-hms-timeout-ms": "soon" }))["x-hms-timeout-ms"], undefined);
});

test("once the deadline is over nothing is sent", async (t) => {
    const { mesh, seen } = await fakeSidecar(t);
    let failure;
    const visit = await app(t, async (incoming, response) => {
        await pause(30);
        failure = await failureOf(mesh.call("identity-check", "/"));
        response.end("{}");
    });
    await visit({ "x-hms-timeout-ms": "20" });
    assert.deepEqual([failure.code, failure.status, failure.delivered, failure.attempts], ["deadline", 504, "no", 0]);
    assert.equal(seen.length, 0);
});

test("work that goes on after the answer has the trace but no deadline", async (t) => {
    const { mesh } = await fakeSidecar(t);
    let later;
    const visit = await app(t, async (incoming, response) => {
        later = pause(40).then(() => mesh.call("audit", "/").json());
        response.end("{}");
    });
    await visit({ "x-hms-timeout-ms": "20", traceparent: TRACE });
    const { headers } = await later;
    assert.equal(headers["x-hms-timeout-ms"], undefined);
    assert.equal(headers.traceparent, TRACE);
});

test("requests handled at once are not mixed up", async (t) => {
    const { mesh } = await fakeSidecar(t);
    const visit = await app(t, async (incoming, response) => {
        await pause(Math.random() * 20);
        await mesh.call("a", "/").text();
        const { headers } = await mesh.call("b", "/").json();
        response.end(JSON.stringify(headers));
    });
    const traces = Array.from({ length: 50 }, (_, n) => TRACE.replace("4bf92f35", String(n).padStart(8, "0")));
    const answers = await Promise.all(traces.map((traceparent) => visit({ traceparent })));
    assert.deepEqual(answers.map((answer) => answer.traceparent), traces);
});

test("a connection's next request does not inherit from the one before", async (t) => {
    const visit = await passingOn(t);
    assert.equal((await visit({ traceparent: TRACE, "x-hms-timeout-ms": "5000" })).traceparent, TRACE);
    const headers = await visit();
    assert.equal(headers.traceparent, undefined);
    assert.equal(headers["x-hms-timeout-ms"], undefined);
});

test("outside of a request nothing is inherited", async (t) => {
    const { mesh } = await fakeSidecar(t);
    const visit = await passingOn(t);
    await visit({ traceparent: TRACE, "x-hms-timeout-ms": "5000" });
    const { headers } = await mesh.call("a", "/").json();
    assert.deepEqual(Object.keys(headers).sort(), ["connection", "host"]);
});

test("what a request starts for the whole process is not bound by its deadline for ever", async (t) => {
    const { mesh } = await fakeSidecar(t);
    const start = performance.now();
    let passed = 0;
    t.mock.method(performance, "now", () => start + passed);
    let call;
    const server = createServer(() => {
        call = AsyncResource.bind(() => mesh.call("a", "/").json());
    });
    const address = await listen(t, server);
    const client = request(`http://${address}/`, { headers: { "x-hms-timeout-ms": "100" } }).on("error", () => {});
    client.end();
    while (!call) await pause(5);
    passed = 30_000;
    assert.equal((await failureOf(call())).code, "deadline");
    passed = 120_000;
    assert.equal((await call()).headers["x-hms-timeout-ms"], undefined);
    client.destroy();
});

test("a sidecar that says nothing is given up a second after the timeout", async (t) => {
    const { mesh, connections } = await fakeSidecar(t, () => {});
    const started = performance.now();
    const error = await failureOf(mesh.call("identity-check", "/", { timeout: "50ms" }));
    const took = performance.now() - started;
    assert.deepEqual([error.code, error.status, error.delivered], ["timeout", 504, "unknown"]);
    assert.ok(took > 1_000 && took < 3_000, `${took} ms`);
    while (connections.size > 0) await pause(5);
});

test("a body may take longer than the timeout", async (t) => {
    const { mesh } = await fakeSidecar(t, async (incoming, response) => {
        response.write("slow");
        await pause(1_200);
        response.end("ly");
    });
    assert.equal(await (await mesh.call("a", "/", { timeout: 20 })).text(), "slowly");
});

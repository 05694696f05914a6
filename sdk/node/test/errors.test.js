import assert from "node:assert/strict";
import { createServer } from "node:net";
import { inspect } from "node:util";
import { test } from "node:test";

import { createMesh, MeshError } from "../src/index.js";
import { failureOf, fakeSidecar, listen } from "./support.js";

const REPORT = {
    code: "breaker-open", message: "payment-gateway: 5 × 503 in a row", hint: "hms-mesh tail --service payment-gateway",
    service: "payment-gateway", instance: "ws14-7003", attempts: 3, delivered: "no",
};

const meshFailure = (request, response) => {
    response.writeHead(503, {
        "content-type": "application/json", "x-hms-error": "breaker-open", "x-hms-delivered": "no", "x-hms-attempts": "3",
    });
    response.end(JSON.stringify(REPORT));
};

test("what the mesh says is wrong becomes a MeshError with its reasons", async (t) => {
    const { mesh } = await fakeSidecar(t, meshFailure);
    for (const call of [mesh.call("payment-gateway", "/charge"), mesh.call("payment-gateway", "/charge").json()]) {
        const error = await failureOf(call);
        assert.ok(error instanceof MeshError && error instanceof Error);
        assert.equal(error.name, "MeshError");
        assert.equal(error.status, 503);
        for (const key of ["code", "message", "hint", "service", "instance", "attempts", "delivered"]) {
            assert.equal(error[key], REPORT[key], key);
        }
        assert.deepEqual(await error.response.json(), REPORT);
    }
});

test("a mesh error whose body is missing, odd or endless is told by its header", async (t) => {
    const bodies = ["", "[]", "null", '{"message":7,"attempts":"x"}', "<html>", "x".repeat(5_000_000)];
    for (const body of bodies) {
        const { mesh } = await fakeSidecar(t, (request, response) => {
            response.writeHead(502, { "x-hms-error": "tls-failed" });
            response.end(body);
        });
        const error = await failureOf(mesh.call("a", "/"));
        assert.equal(error.message, "the mesh answered 502 tls-failed for a");
        assert.deepEqual([error.code, error.delivered, error.attempts, error.hint], ["tls-failed", "unknown", undefined, undefined]);
    }
});

test("what the service itself refuses becomes a MeshError too, its answer still to be read", async (t) => {
    const { mesh } = await fakeSidecar(t, (request, response) => {
        response.writeHead(402, { "x-hms-attempts": "1" });
        response.end('{"error":"card declined"}');
    });
    const error = await failureOf(mesh.call("payment-gateway", "/charge?card=4711", { method: "POST" }).json());
    assert.equal(error.message, "payment-gateway answered 402 Payment Required to POST /charge");
    assert.deepEqual([error.status, error.code, error.delivered, error.attempts], [402, "app-error", "yes", 1]);
    assert.deepEqual(await error.response.json(), { error: "card declined" });
    assert.ok(!inspect(error).includes("ReadableStream"), "a log of the error does not print the response");
});

test("redirects are not followed", async (t) => {
    const { mesh, seen } = await fakeSidecar(t, (request, response) => {
        response.writeHead(302, { location: "/elsewhere" });
        response.end();
    });
    assert.equal((await failureOf(mesh.call("a", "/"))).status, 302);
    assert.equal(seen.length, 1);
});

test("throwOnError: false gives every answer as a Response", async (t) => {
    const { mesh } = await fakeSidecar(t, meshFailure);
    const response = await mesh.call("payment-gateway", "/charge", { throwOnError: false });
    assert.equal(response.status, 503);
    assert.equal(response.headers.get("x-hms-error"), "breaker-open");
    assert.deepEqual(await mesh.call("payment-gateway", "/charge", { throwOnError: false }).json(), REPORT);
});

test("a sidecar that is not there: not delivered", async (t) => {
    const gone = createServer();
    const address = await listen(t, gone);
    await new Promise((resolve) => gone.close(resolve));
    for (const mesh of [createMesh({ address }), createMesh({ address: "unix:/nonexistent/hms.sock" })]) {
        const error = await failureOf(mesh.call("identity-check", "/", { throwOnError: false }));
        assert.deepEqual([error.code, error.status, error.delivered], ["sidecar-unreachable", 503, "no"]);
        assert.match(error.message, /no sidecar to call identity-check through/);
        assert.ok(error.cause.code);
        assert.equal(error.response, undefined);
    }
});

test("a connection closed without an answer: unknown whether delivered, and not tried again", async (t) => {
    const { mesh, seen } = await fakeSidecar(t, (request) => request.socket.destroy());
    for (const options of [{}, { idempotencyKey: "k" }, { method: "PUT", body: "x" }]) {
        const error = await failureOf(mesh.call("a", "/", options));
        assert.deepEqual([error.code, error.status, error.delivered], ["sidecar-reset", 502, "unknown"]);
    }
    assert.equal(seen.length, 3);
});

test("an answer that is cut off fails its readers", async (t) => {
    const { mesh } = await fakeSidecar(t, (request, response) => {
        response.writeHead(200, { "content-length": "100" });
        response.write("half");
        setTimeout(() => request.socket.destroy(), 20);
    });
    const straight = await failureOf(mesh.call("photo-store", "/photos/1?x=1").text());
    assert.deepEqual([straight.code, straight.delivered], ["response-cut", "yes"]);
    assert.equal(straight.message, "the answer of photo-store to GET /photos/1 was cut off");
    const response = await mesh.call("photo-store", "/photos/1");
    assert.equal((await failureOf(response.text())).code, "response-cut");
});

test("something that does not speak HTTP", async (t) => {
    const server = createServer((socket) => socket.on("error", () => {}).end("SSH-2.0-OpenSSH_9.2\r\n"));
    const mesh = createMesh({ address: await listen(t, server) });
    assert.equal((await failureOf(mesh.call("a", "/"))).code, "bad-response");
});

test("a status that no Response can have", async (t) => {
    const { mesh } = await fakeSidecar(t, (request, response) => {
        response.writeHead(799);
        response.end();
    });
    assert.equal((await failureOf(mesh.call("a", "/", { throwOnError: false }))).code, "bad-response");
});

test("failures never count as unhandled rejections", async (t) => {
    const unhandled = [];
    const note = (reason) => unhandled.push(reason);
    process.on("unhandledRejection", note);
    t.after(() => process.off("unhandledRejection", note));
    const { mesh } = await fakeSidecar(t, meshFailure);
    const reset = await fakeSidecar(t, (request) => request.socket.destroy());
    void mesh.call("a", "/");
    void mesh.call("a", "not a path");
    void reset.mesh.call("a", "/", { signal: AbortSignal.abort() });
    await failureOf(mesh.call("a", "/").json());
    await failureOf(reset.mesh.call("a", "/").text());
    async function* broken() {
        yield "some";
        throw new Error("no more");
    }
    await failureOf(mesh.call("a", "/", { body: broken() }));
    await new Promise((resolve) => setTimeout(resolve, 50));
    assert.deepEqual(unhandled, []);
});

test("an error's trace leads to the line that called", async (t) => {
    const { mesh } = await fakeSidecar(t, meshFailure);
    const renewByBody = async () => await mesh.call("a", "/").json();
    const renewByResponse = async () => await mesh.call("a", "/");
    assert.match((await failureOf(renewByBody())).stack, /at async renewByBody .*errors\.test\.js/);
    assert.match((await failureOf(renewByResponse())).stack, /at async renewByResponse .*errors\.test\.js/);
});

import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";

import { createMesh } from "../src/index.js";
import { failureOf, fakeSidecar, listen, pause } from "./support.js";

test("calls one after the other share a connection, whatever the service", async (t) => {
    const { mesh, seen } = await fakeSidecar(t);
    for (const service of ["a", "b", "a"]) await mesh.call(service, "/").text();
    assert.equal(new Set(seen.map((request) => request.socket)).size, 1);
});

test("calls at once do not wait for each other", async (t) => {
    const waiting = [];
    const { mesh } = await fakeSidecar(t, (request, response) => {
        if (waiting.push(response) === 100) for (const one of waiting) one.end("all here");
    });
    const answers = await Promise.all(Array.from({ length: 100 }, () => mesh.call("a", "/").text()));
    assert.deepEqual(new Set(answers), new Set(["all here"]));
});

test("a connection that the sidecar may be about to close is not used again", async (t) => {
    const { mesh, seen, server } = await fakeSidecar(t);
    server.keepAliveTimeout = 60_000;
    await mesh.call("a", "/").text();
    await pause(4_200);
    await mesh.call("a", "/").text();
    assert.equal(new Set(seen.map((request) => request.socket)).size, 2);
});

test("close ends idle connections, and the mesh goes on working", async (t) => {
    const { mesh, connections } = await fakeSidecar(t);
    const { call, close } = mesh;
    await call("a", "/").text();
    assert.equal(connections.size, 1);
    close();
    while (connections.size > 0) await pause(5);
    assert.equal((await call("a", "/")).status, 200);
});

test("a sidecar that comes back elsewhere is found again", async (t) => {
    const folder = mkdtempSync(join(tmpdir(), "hms-sdk-"));
    const before = { folder: process.cwd(), address: process.env.HMS_MESH_ADDR };
    t.after(() => {
        process.chdir(before.folder);
        if (before.address !== undefined) process.env.HMS_MESH_ADDR = before.address;
        rmSync(folder, { recursive: true });
    });
    delete process.env.HMS_MESH_ADDR;
    process.chdir(folder);
    mkdirSync(join(folder, ".hms", "a"), { recursive: true });
    const announce = (outbound) => {
        writeFileSync(join(folder, ".hms", "a", "sidecar.json"), JSON.stringify({ service: "a", id: "1", outbound, pid: process.pid }));
    };
    const first = createServer((request, response) => response.end("first"));
    announce(await listen(t, first));
    const mesh = createMesh();
    assert.equal(await mesh.call("a", "/").text(), "first");
    first.closeAllConnections();
    await new Promise((resolve) => first.close(resolve));
    await pause(20);
    announce(await listen(t, createServer((request, response) => response.end("second"))));
    assert.equal((await failureOf(mesh.call("a", "/"))).code, "sidecar-unreachable");
    assert.equal(await mesh.call("a", "/").text(), "second");
});

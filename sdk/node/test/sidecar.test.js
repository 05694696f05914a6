import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { chownSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { test } from "node:test";

import { findSidecar } from "../src/sidecar.js";

/** A process number that nobody has: one that has just ended. */
const DEAD = spawnSync(process.execPath, ["--version"]).pid;

function folder(t) {
    const path = mkdtempSync(join(tmpdir(), "hms-sdk-"));
    t.after(() => rmSync(path, { recursive: true }));
    return path;
}

function writeSidecar(path, { name = "photo-validator", pid = process.pid, outbound = "127.0.0.1:41877", age = 0, text }) {
    const file = join(path, ".hms", name, "sidecar.json");
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, text ?? JSON.stringify({ service: name, id: "ws14-7000", outbound, pid }));
    const written = Date.now() / 1000 - age;
    utimesSync(file, written, written);
    return file;
}

const find = (path, environment = {}) => findSidecar("identity-check", environment, path);
const failure = (path, environment) => {
    try {
        return find(path, environment) && undefined;
    } catch (error) {
        return error;
    }
};

test("HMS_MESH_ADDR goes before every file", (t) => {
    const path = folder(t);
    writeSidecar(path, {});
    assert.deepEqual(find(path, { HMS_MESH_ADDR: "127.0.0.1:9011" }), { host: "127.0.0.1", port: 9011 });
    assert.deepEqual(find(path, { HMS_MESH_ADDR: "[::1]:9011" }), { host: "::1", port: 9011 });
    assert.deepEqual(find(path, { HMS_MESH_ADDR: "unix:/run/hms/out.sock" }), { socketPath: "/run/hms/out.sock" });
});

test("an HMS_MESH_ADDR that is none is said to be wrong, not passed over", (t) => {
    const path = folder(t);
    writeSidecar(path, {});
    const error = failure(path, { HMS_MESH_ADDR: "9011" });
    assert.equal(error.code, "no-sidecar");
    assert.match(error.message, /HMS_MESH_ADDR is "9011", neither host:port nor unix:PATH/);
});

test("else the nearest sidecar.json upwards", (t) => {
    const path = folder(t);
    const inner = join(path, "services", "photo-validator");
    mkdirSync(inner, { recursive: true });
    writeSidecar(path, { outbound: "127.0.0.1:1111" });
    assert.deepEqual(find(inner), { host: "127.0.0.1", port: 1111 });
    writeSidecar(join(path, "services"), { outbound: "127.0.0.1:2222" });
    assert.deepEqual(find(inner), { host: "127.0.0.1", port: 2222 });
});

test("of several the newest whose process lives", (t) => {
    const path = folder(t);
    writeSidecar(path, { name: "a", outbound: "127.0.0.1:1111", age: 60 });
    writeSidecar(path, { name: "b", outbound: "127.0.0.1:2222", age: 30 });
    writeSidecar(path, { name: "c", outbound: "127.0.0.1:3333", pid: DEAD });
    assert.deepEqual(find(path), { host: "127.0.0.1", port: 2222 });
});

test("dead ones are passed over on the way up", (t) => {
    const path = folder(t);
    mkdirSync(join(path, "inner"));
    writeSidecar(path, { outbound: "127.0.0.1:1111" });
    writeSidecar(join(path, "inner"), { pid: DEAD });
    assert.deepEqual(find(join(path, "inner")), { host: "127.0.0.1", port: 1111 });
});

test("with none at all it says where it looked and what to do", (t) => {
    const path = folder(t);
    const error = failure(path);
    assert.deepEqual([error.code, error.status, error.delivered, error.attempts], ["no-sidecar", 503, "no", 0]);
    assert.ok(error.message.includes(`no .hms/*/sidecar.json lies in ${path} or above it`));
    assert.match(error.hint, /hms-mesh dev/);
    writeSidecar(path, { pid: DEAD });
    assert.ok(failure(path).message.endsWith(`the sidecar of photo-validator/ws14-7000 (pid ${DEAD}) has ended`));
});

test("files that are no sidecar's are passed over", (t) => {
    const path = folder(t);
    for (const [n, text] of ["", "{", "null", "[]", '{"outbound":5,"pid":1}', '{"outbound":"127.0.0.1:1"}'].entries()) {
        writeSidecar(path, { name: `n${n}`, text });
    }
    writeFileSync(join(path, ".hms", "plain"), "");
    const elsewhere = writeSidecar(folder(t), {});
    mkdirSync(join(path, ".hms", "link"));
    symlinkSync(elsewhere, join(path, ".hms", "link", "sidecar.json"));
    assert.equal(failure(path).code, "no-sidecar");
});

test("another user's file is passed over", { skip: process.getuid() !== 0 && "only root can make one" }, (t) => {
    const path = folder(t);
    chownSync(writeSidecar(path, {}), 65_534, 65_534);
    assert.equal(failure(path).code, "no-sidecar");
});

import assert from "node:assert/strict";
import { Readable } from "node:stream";
import { test } from "node:test";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

import { bodyOf, eventually, failureOf, fakeSidecar, pause } from "./support.js";

const MEGABYTE = Buffer.alloc(1024 * 1024, "x");

async function* parts() {
    yield "one ";
    yield Buffer.from("two ");
    await pause(5);
    yield new Uint8Array([51]);
}

const form = new FormData();
form.append("photo", new Blob(["pixels"], { type: "image/png" }), "photo.png");

const bodies = [
    ["a string", () => "one two 3", "text/plain;charset=UTF-8", "9"],
    ["a Buffer", () => Buffer.from("one two 3"), undefined, "9"],
    ["a part of a buffer", () => new DataView(new TextEncoder().encode("..one two 3..").buffer, 2, 9), undefined, "9"],
    ["an ArrayBuffer", () => new TextEncoder().encode("one two 3").buffer, undefined, "9"],
    ["an async iterable", parts, undefined, undefined],
    ["a Node stream", () => Readable.from(parts()), undefined, undefined],
    ["a ReadableStream", () => new Blob(["one two 3"]).stream(), undefined, undefined],
    ["a Blob", () => new Blob(["one two 3"], { type: "image/png" }), "image/png", undefined],
];
for (const [what, body, type, length] of bodies) {
    test(`a body can be ${what}`, async (t) => {
        const { mesh } = await fakeSidecar(t);
        const sent = await mesh.call("photo-store", "/photos", { body: body() }).json();
        assert.equal(sent.body, "one two 3");
        assert.equal(sent.headers["content-type"], type);
        assert.equal(sent.headers["content-length"], length);
        assert.equal(sent.headers["transfer-encoding"], length ? undefined : "chunked");
    });
}

test("a body can be a form", async (t) => {
    const { mesh } = await fakeSidecar(t);
    const sent = await mesh.call("photo-store", "/photos", { body: form }).json();
    assert.match(sent.headers["content-type"], /^multipart\/form-data; boundary=/);
    assert.match(sent.body, /name="photo"; filename="photo.png"\r\n[^]*\r\n\r\npixels\r\n/);
    const fields = await mesh.call("photo-store", "/photos", { body: new URLSearchParams({ a: "1 2" }) }).json();
    assert.equal(fields.headers["content-type"], "application/x-www-form-urlencoded;charset=UTF-8");
    assert.equal(fields.body, "a=1+2");
});

test("a streamed body with a known length keeps it", async (t) => {
    const { mesh } = await fakeSidecar(t);
    const sent = await mesh.call("photo-store", "/", { body: parts(), headers: { "content-length": "9", "content-type": "a/b" } }).json();
    assert.equal(sent.headers["content-length"], "9");
    assert.equal(sent.headers["content-type"], "a/b");
});

test("a streamed body is read no faster than it is taken", async (t) => {
    let made = 0;
    let take;
    const { mesh } = await fakeSidecar(t, async (request, response) => {
        await new Promise((resolve) => (take = resolve));
        response.end(String((await bodyOf(request)).length));
    });
    async function* endless() {
        for (; made < 64; made++) yield MEGABYTE;
    }
    const call = mesh.call("photo-store", "/", { body: endless() }).text();
    await eventually(() => take);
    await pause(100);
    assert.ok(made < 40, `${made} MB were read although nobody took them`);
    take();
    assert.equal(await call, String(64 * MEGABYTE.length));
});

test("a body that fails ends the call with its own failure", async (t) => {
    const { mesh, connections } = await fakeSidecar(t);
    const failure = new Error("the camera is gone");
    async function* broken() {
        yield "some";
        await pause(10);
        throw failure;
    }
    assert.equal(await failureOf(mesh.call("photo-store", "/", { body: broken() })), failure);
    const odd = Readable.from([{ not: "bytes" }]);
    assert.equal((await failureOf(mesh.call("photo-store", "/", { body: odd }))).name, "TypeError");
    const short = new Readable({ read() {} });
    setTimeout(() => short.destroy(), 10);
    assert.match((await failureOf(mesh.call("photo-store", "/", { body: short }))).message, /ended too early/);
    await eventually(() => connections.size === 0);
});

test("an answer that comes before the whole request ends it, and its source", async (t) => {
    const { mesh, connections } = await fakeSidecar(t, (request, response) => {
        response.writeHead(413);
        response.end();
    });
    let ended = false;
    async function* slow() {
        try {
            for (;;) {
                yield "x";
                await pause(5);
            }
        } finally {
            ended = true;
        }
    }
    assert.equal((await failureOf(mesh.call("photo-store", "/", { body: slow() }))).status, 413);
    await eventually(() => ended && connections.size === 0);
});

test("a call that cannot be sent lets go of its body", async (t) => {
    const { mesh } = await fakeSidecar(t);
    let cancelled = false;
    const body = new ReadableStream({ cancel: () => (cancelled = true) });
    await failureOf(mesh.call("a", "/", { body, signal: AbortSignal.abort() }));
    await eventually(() => cancelled);
});

test("a caller's signal ends a call that waits", async (t) => {
    const { mesh, connections, seen } = await fakeSidecar(t, () => {});
    const abort = new AbortController();
    const call = mesh.call("a", "/", { signal: abort.signal });
    await eventually(() => seen.length === 1);
    const reason = new Error("the visitor left");
    abort.abort(reason);
    assert.equal(await failureOf(call), reason);
    await eventually(() => connections.size === 0);
    assert.equal((await failureOf(mesh.call("a", "/", { signal: AbortSignal.timeout(20) }))).name, "TimeoutError");
});

test("a caller's signal ends the reading of a body", async (t) => {
    const { mesh, connections } = await fakeSidecar(t, (request, response) => response.write("first"));
    for (const read of [(call) => call.text(), async (call) => (await call).text()]) {
        const abort = new AbortController();
        const reading = failureOf(read(mesh.call("a", "/", { signal: abort.signal })));
        await pause(30);
        abort.abort();
        assert.equal((await reading).name, "AbortError");
    }
    await eventually(() => connections.size === 0);
});

test("a signal that outlives many calls keeps nothing of them", async (t) => {
    const { mesh } = await fakeSidecar(t);
    const { signal } = new AbortController();
    let listening = 0;
    const add = t.mock.method(signal, "addEventListener");
    const remove = t.mock.method(signal, "removeEventListener");
    for (let n = 0; n < 5; n++) await mesh.call("a", "/", { signal }).text();
    await eventually(() => (listening = add.mock.callCount() - remove.mock.callCount()) === 0);
    assert.deepEqual([add.mock.callCount(), listening], [5, 0]);
});

test("an answer streams: its first part is there before its last", async (t) => {
    let finish;
    const { mesh } = await fakeSidecar(t, (request, response) => {
        response.write("first ");
        finish = () => response.end("last");
    });
    const reader = (await mesh.call("a", "/")).body.getReader();
    assert.equal(Buffer.from((await reader.read()).value).toString(), "first ");
    finish();
    assert.equal(Buffer.from((await reader.read()).value).toString(), "last");
    assert.equal((await reader.read()).done, true);
});

/** A sidecar that sends 64 MB as fast as they are taken, and counts what it has got rid of. */
async function plentiful(t) {
    let sent = 0;
    const sidecar = await fakeSidecar(t, (request, response) => {
        const more = () => {
            while (sent < 64 && !response.destroyed) {
                sent += 1;
                if (!response.write(MEGABYTE)) return response.once("drain", more);
            }
            response.end();
        };
        more();
    });
    return { ...sidecar, sent: () => sent };
}

test("an answer is read no faster than its reader reads", async (t) => {
    const { mesh, sent } = await plentiful(t);
    const response = await mesh.call("photo-store", "/");
    await pause(100);
    assert.ok(sent() < 40, `${sent()} MB were read although nobody took them`);
    let length = 0;
    for await (const chunk of response.body) length += chunk.length;
    assert.equal(length, 64 * MEGABYTE.length);
});

test("a body that is cancelled frees its connection", async (t) => {
    const { mesh, connections } = await plentiful(t);
    const response = await mesh.call("photo-store", "/");
    assert.equal(connections.size, 1);
    await response.body.cancel();
    await eventually(() => connections.size === 0);
});

test("a small body that nobody reads frees its connection", async (t) => {
    const { mesh, connections } = await fakeSidecar(t);
    for (let n = 0; n < 5; n++) {
        await mesh.call("a", "/");
        await pause(20);
    }
    assert.equal(connections.size, 1);
});

test("a large body that everybody has let go of frees its connection", async (t) => {
    setFlagsFromString("--expose-gc");
    const collect = runInNewContext("gc");
    const { mesh, connections } = await plentiful(t);
    await (async () => assert.equal((await mesh.call("photo-store", "/")).status, 200))();
    await pause(50);
    assert.equal(connections.size, 1);
    await eventually(() => collect() ?? connections.size === 0);
});

test("a body that somebody waits for is never let go of", async (t) => {
    setFlagsFromString("--expose-gc");
    const collect = runInNewContext("gc");
    const { mesh, sent } = await plentiful(t);
    const { body } = await mesh.call("photo-store", "/");
    await pause(30);
    const reader = body.getReader();
    let length = 0;
    for (let turn = 0; ; turn++) {
        const { value, done } = await reader.read();
        if (done) break;
        length += value.length;
        if (turn % 100 === 0) {
            collect();
            await pause(1);
        }
    }
    assert.deepEqual([length, sent()], [64 * MEGABYTE.length, 64]);
});

import assert from "node:assert/strict";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";

import { createMesh } from "../src/index.js";
import { bodyOf, fakeSidecar, listen } from "./support.js";

test("a call goes to the sidecar with the service's name as its host", async (t) => {
    const { mesh } = await fakeSidecar(t);
    const sent = await mesh.call("identity-check", "/validate?strict=1", { method: "POST", json: { passport: "C01X0006H" } }).json();
    assert.equal(sent.method, "POST");
    assert.equal(sent.url, "/validate?strict=1");
    assert.equal(sent.headers.host, "identity-check");
    assert.equal(sent.headers["content-type"], "application/json");
    assert.equal(sent.headers["content-length"], "24");
    assert.equal(sent.body, '{"passport":"C01X0006H"}');
});

test("nothing is sent that the caller did not ask for", async (t) => {
    const { mesh } = await fakeSidecar(t);
    const { headers } = await mesh.call("identity-check", "/").json();
    assert.deepEqual(headers, { host: "identity-check", connection: "keep-alive" });
});

test("an awaited call is a standard Response", async (t) => {
    const { mesh } = await fakeSidecar(t, (request, response) => {
        response.writeHead(201, "Made", { "set-cookie": ["a=1", "b=2"], "x-hms-attempts": "2" });
        response.end("done");
    });
    const response = await mesh.call("photo-store", "/photos");
    assert.ok(response instanceof Response);
    assert.equal(response.status, 201);
    assert.equal(response.statusText, "Made");
    assert.equal(response.headers.get("x-hms-attempts"), "2");
    assert.equal(response.headers.get("set-cookie"), "a=1, b=2");
    assert.equal(await response.text(), "done");
});

test("the body can be had straight from the call, in every form", async (t) => {
    const { mesh } = await fakeSidecar(t, (request, response) => {
        response.setHeader("content-type", "application/x-www-form-urlencoded");
        response.end("a=1");
    });
    const call = () => mesh.call("photo-store", "/");
    assert.equal(await call().text(), "a=1");
    assert.deepEqual(await call().bytes(), new Uint8Array([97, 61, 49]));
    assert.deepEqual(new Uint8Array(await call().arrayBuffer()), new Uint8Array([97, 61, 49]));
    assert.equal(await (await call().blob()).text(), "a=1");
    assert.equal((await call().formData()).get("a"), "1");
});

test("one call gives its Response and its body both, whichever is asked for first", async (t) => {
    const { mesh, seen } = await fakeSidecar(t, (request, response) => response.end('\ufeff{"n":1}'));
    const first = mesh.call("a", "/");
    assert.deepEqual(await first.json(), { n: 1 });
    assert.equal((await first).status, 200);
    assert.equal(await first.text(), '{"n":1}');
    const second = mesh.call("a", "/");
    assert.equal((await second).status, 200);
    assert.deepEqual(await second.json(), { n: 1 });
    assert.equal(seen.length, 2);
});

test("a call is sent without being awaited", async (t) => {
    const arrived = new Promise((resolve) => {
        fakeSidecar(t, (request, response) => resolve(request.url) ?? response.end()).then(({ mesh }) => void mesh.call("audit", "/note"));
    });
    assert.equal(await arrived, "/note");
});

test("answers without a body", async (t) => {
    const { mesh } = await fakeSidecar(t, (request, response) => {
        response.writeHead(request.method === "HEAD" ? 200 : 204, request.method === "HEAD" ? { "content-length": "5" } : {});
        response.end();
    });
    assert.equal((await mesh.call("a", "/", { method: "DELETE" })).status, 204);
    const head = await mesh.call("a", "/", { method: "HEAD" });
    assert.equal(head.headers.get("content-length"), "5");
    assert.equal(await head.text(), "");
    await assert.rejects(mesh.call("a", "/", { method: "DELETE" }).json(), /a answered 204 with no body to DELETE \//);
});

test("a body that is not JSON is said to be none", async (t) => {
    const { mesh } = await fakeSidecar(t, (request, response) => response.end("<html>"));
    await assert.rejects(mesh.call("a", "/x?secret=1").json(), {
        name: "SyntaxError",
        message: "a answered 200 with a body that is not JSON to GET /x",
    });
});

test("query, headers and path are written as HTTP wants them", async (t) => {
    const { mesh } = await fakeSidecar(t);
    const query = { a: 1, b: ["x y", true], c: undefined, d: null };
    const sent = await mesh.call("a", "/añb c/%2F?k=v", { query, headers: new Headers({ accept: "text/plain" }) }).json();
    assert.equal(sent.url, "/a%C3%B1b%20c/%2F?k=v&a=1&b=x+y&b=true");
    assert.equal(sent.headers.accept, "text/plain");
    assert.equal((await mesh.call("a", "/", { query: new URLSearchParams("q=1") }).json()).url, "/?q=1");
    assert.equal((await mesh.call("a", "/", { query: [["q", "2"]] }).json()).url, "/?q=2");
});

test("the fields of a request being handled can be handed on as they are", async (t) => {
    const { mesh } = await fakeSidecar(t);
    const given = {
        host: "web-portal", connection: "close", "Content-Length": "999", "transfer-encoding": "chunked", te: "trailers",
        "x-hms-caller": "spiffe://gov.local/svc/else", "x-hms-service": "payment-gateway", "Accept-Language": "en", none: undefined,
    };
    const { headers, body } = await mesh.call("a", "/", { headers: given, json: 1 }).json();
    assert.equal(body, "1");
    assert.deepEqual(headers, {
        host: "a", connection: "keep-alive", "content-type": "application/json", "content-length": "1", "accept-language": "en",
    });
});

test("an idempotency key is sent when it is given, and never made up", async (t) => {
    const { mesh } = await fakeSidecar(t);
    const sent = await mesh.call("payment-gateway", "/charge", { json: {}, idempotencyKey: "renewal-1" }).json();
    assert.equal(sent.headers["idempotency-key"], "renewal-1");
    assert.ok(!("idempotency-key" in (await mesh.call("payment-gateway", "/charge", { json: {} }).json()).headers));
});

test("a call with a body and no method is a POST", async (t) => {
    const { mesh } = await fakeSidecar(t);
    assert.equal((await mesh.call("a", "/", { json: null }).json()).method, "POST");
    assert.equal((await mesh.call("a", "/", { body: "x" }).json()).method, "POST");
    assert.equal((await mesh.call("a", "/").json()).method, "GET");
    assert.equal((await mesh.call("a", "/", { method: "patch", body: "x" }).json()).method, "PATCH");
});

test("a sidecar on a Unix socket", async (t) => {
    const server = createServer(async (request, response) => response.end(`${request.headers.host} ${await bodyOf(request)}`));
    const address = await listen(t, server, join(tmpdir(), `hms-sdk-${process.pid}.sock`));
    const mesh = createMesh({ address });
    t.after(() => mesh.close());
    assert.equal(await mesh.call("identity-check", "/", { body: "over a socket" }).text(), "identity-check over a socket");
});

const mistakes = [
    ["a service that is no name", ["identity check", "/"], /"identity check" is no service/],
    ["a service with a path", ["http://identity-check/", "/"], /is no service/],
    ["a relative path", ["a", "validate"], /begins with \//],
    ["a fragment", ["a", "/people/#1"], /write %23/],
    ["a line break in a header", ["a", "/", { headers: { "x-note": "a\r\nb: c" } }], /[Ii]nvalid character/],
    ["json and body", ["a", "/", { json: 1, body: "x" }], /not both/],
    ["json of a function", ["a", "/", { json: () => 1 }], /no JSON form/],
    ["a body with GET", ["a", "/", { method: "GET", body: "x" }], /has no body/],
    ["a body of no kind", ["a", "/", { body: 5 }], /the body is none of/],
    ["a method that is none", ["a", "/", { method: "GET /x" }], /no method/],
    ["a timeout without a unit", ["a", "/", { timeout: "2 seconds" }], /timeout is "2 seconds"/],
    ["a timeout of nothing", ["a", "/", { timeout: 0 }], /timeout is 0/],
    ["an idempotency key with a space", ["a", "/", { idempotencyKey: "a b" }], /visible ASCII/],
];
for (const [what, options, message] of mistakes) {
    test(`a mistake is told by the call, and nothing is sent: ${what}`, async (t) => {
        const { mesh, seen } = await fakeSidecar(t);
        await assert.rejects(mesh.call(...options), { name: "TypeError", message });
        assert.equal(seen.length, 0);
    });
}

test("an address that is none is refused at once", () => {
    for (const address of ["", "9011", "host", "127.0.0.1:0", "127.0.0.1:70000", "unix:", "user@host:1"]) {
        assert.throws(() => createMesh({ address }), { name: "TypeError", message: /give host:port or unix:PATH/ });
    }
});

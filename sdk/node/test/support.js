import { createServer } from "node:http";

import { createMesh } from "../src/index.js";

/** Milliseconds that pass before anything is looked at that only time brings. */
export const pause = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));

/** Waits until something holds, for 5 s at most. */
export async function eventually(condition) {
    const end = Date.now() + 5_000;
    while (!condition()) {
        if (Date.now() > end) throw new Error(`still not so after 5 s: ${condition}`);
        await pause(5);
    }
}

/** The whole body of a request that has come in. */
export async function bodyOf(request) {
    const chunks = [];
    for await (const chunk of request) chunks.push(chunk);
    return Buffer.concat(chunks);
}

/** Listens where there is room, and is gone when the test ends. */
export async function listen(t, server, ...where) {
    await new Promise((resolve) => server.listen(...(where.length > 0 ? where : [0, "127.0.0.1"]), resolve));
    t.after(() => {
        server.closeAllConnections?.();
        server.close();
    });
    const at = server.address();
    return typeof at === "string" ? `unix:${at}` : `127.0.0.1:${at.port}`;
}

/**
 * A sidecar that answers as a test's handler says, and the mesh through it. Without a handler it tells back as JSON what
 * it was sent.
 */
export async function fakeSidecar(t, handler = echo) {
    const seen = [];
    const connections = new Set();
    const server = createServer(async (request, response) => {
        seen.push(request);
        try {
            await handler(request, response);
        } catch {
            response.destroy();
        }
    });
    server.on("connection", (socket) => {
        connections.add(socket);
        socket.on("close", () => connections.delete(socket));
    });
    const address = await listen(t, server);
    const mesh = createMesh({ address });
    t.after(() => mesh.close());
    return { address, mesh, seen, connections, server };
}

async function echo(request, response) {
    const body = (await bodyOf(request)).toString();
    response.setHeader("content-type", "application/json");
    response.end(JSON.stringify({ method: request.method, url: request.url, headers: request.headers, body }));
}

/** What a promise fails with. */
export async function failureOf(promise) {
    try {
        await promise;
    } catch (error) {
        return error;
    }
    throw new Error("it did not fail");
}

import { Agent } from "node:http";

import { MeshCall } from "./call.js";
import { Exchange } from "./exchange.js";
import { currentInbound } from "./inbound.js";
import { planCall } from "./plan.js";
import { findSidecar, parseAddress } from "./sidecar.js";

/**
 * How long a connection to the sidecar may lie idle and still be used again, in milliseconds. It is well below the time
 * after which a sidecar closes an idle connection, so that no request is written into one that is just being closed.
 */
const IDLE_MS = 4_000;

/** Idle connections kept; more are closed as they come free. */
const IDLE_CONNECTIONS = 256;

/**
 * A way into the mesh through one sidecar. Without an address it is found by `HMS_MESH_ADDR`, else by the nearest
 * `.hms/<name>/sidecar.json`.
 */
export function createMesh({ address } = {}) {
    if (address === undefined) return new Mesh(undefined);
    const parsed = parseAddress(address);
    if (!parsed) throw new TypeError(`the address is ${JSON.stringify(address)}; give host:port or unix:PATH`);
    return new Mesh(parsed);
}

class Mesh {
    #fixed;
    #found;
    #agent = new Agent({ keepAlive: true, scheduling: "lifo", timeout: IDLE_MS, maxFreeSockets: IDLE_CONNECTIONS });

    constructor(address) {
        this.#fixed = address;
        // A method taken off its object (`const { call } = mesh`) goes on working.
        this.call = this.call.bind(this);
        this.close = this.close.bind(this);
    }

    /** Sends one request to a service, at once; what became of it is the call's to tell. Never throws by itself. */
    call(service, path, options) {
        return new MeshCall((answer) => this.#send(service, path, options, answer));
    }

    /** Closes idle connections, and the others as their calls end. */
    close() {
        this.#agent.destroy();
    }

    async #send(service, path, options, answer) {
        const plan = planCall(service, path, options, currentInbound());
        try {
            plan.signal?.throwIfAborted();
            const address = this.#fixed ?? (this.#found ??= findSidecar(plan.service));
            return await new Exchange(plan, answer).run(address, this.#agent);
        } catch (error) {
            plan.body?.stream?.destroy();
            // A sidecar that was found by its file and is gone may have come back on another port.
            if (error?.code === "sidecar-unreachable") this.#found = undefined;
            throw error;
        }
    }
}

import { request as openRequest } from "node:http";

import { MeshError } from "./mesh-error.js";
import { Outcome } from "./outcome.js";
import { readBytes } from "./response-body.js";

/** The sidecar bounds a call; when it says nothing itself, this long after the timeout the call is given up here. */
const BACKSTOP_MS = 1_000;
const LONGEST_TIMER_MS = 2 ** 31 - 1;

/** The most that is read of the body of an error that the mesh itself has made. */
const ERROR_BODY_BYTES = 64 * 1024;

/** Failures that come before anything could be sent. */
const NOT_CONNECTED = new Set(["ECONNREFUSED", "ENOENT", "ENOTSOCK", "EACCES", "EADDRNOTAVAIL", "EAGAIN", "ENOTFOUND"]);

/** One request to the sidecar and what comes back, once. */
export class Exchange {
    #plan;
    #answer;
    #request;
    /** Why it was ended from this side; goes before whatever the connection says of it. */
    #reason;

    constructor(plan, answer) {
        this.#plan = plan;
        this.#answer = answer;
    }

    /** Sends the plan and gives the outcome, or fails with what the caller is to see. */
    async run(address, agent) {
        return this.#settle(await this.#send(address, agent));
    }

    /** The response's head. What stays with the connection holds this promise, and so must not hold the outcome. */
    #send(address, agent) {
        return new Promise((resolve, reject) => {
            const { method, target: path, headers } = this.#plan;
            const request = openRequest({ ...address, agent, method, path, headers, setHost: false });
            this.#request = request;
            const backstop = this.#startBackstop();
            request.on("response", (message) => {
                clearTimeout(backstop);
                resolve(message);
            });
            request.on("error", (error) => {
                clearTimeout(backstop);
                reject(this.#failureToSend(error));
            });
            this.#endWithSignal();
            this.#sendBody();
        });
    }

    #end(reason) {
        this.#reason ??= reason;
        this.#request.destroy();
    }

    #startBackstop() {
        const { timeout, service } = this.#plan;
        if (timeout === undefined) return undefined;
        const expire = () => this.#end(this.#error(504, "timeout", "unknown", {
            message: `the sidecar said nothing about ${service} within the timeout of ${Math.round(timeout)} ms`,
            hint: "look at the sidecar: hms-mesh status",
        }));
        return setTimeout(expire, Math.min(timeout + BACKSTOP_MS, LONGEST_TIMER_MS));
    }

    #endWithSignal() {
        const { signal } = this.#plan;
        if (!signal) return;
        const abort = () => this.#end(signal.reason);
        signal.addEventListener("abort", abort, { once: true });
        this.#request.on("close", () => signal.removeEventListener("abort", abort));
    }

    #sendBody() {
        const { body } = this.#plan;
        if (!body?.stream) {
            this.#request.end(body?.whole);
            return;
        }
        const { stream } = body;
        const request = this.#request;
        stream.on("data", (chunk) => {
            try {
                if (!request.write(chunk)) stream.pause();
            } catch (error) {
                this.#end(error);
            }
        });
        request.on("drain", () => stream.resume());
        stream.on("end", () => request.end());
        stream.on("error", (error) => this.#end(error));
        stream.on("close", () => {
            if (!stream.readableEnded && !request.destroyed) this.#end(new Error("the request's body ended too early"));
        });
        request.on("close", () => stream.destroy());
    }

    async #settle(message) {
        const request = this.#request;
        // An answer may be whole before the request is; the rest of the request is then of no use to anybody.
        message.on("end", () => {
            if (!request.writableEnded) request.destroy();
        });
        if (message.statusCode < 200 || message.statusCode > 599) {
            const said = `${this.#plan.service} answered with the status ${message.statusCode}`;
            const error = this.#error(502, "bad-response", "yes", { message: said });
            this.#end(error);
            throw error;
        }
        const failure = (cause) => this.#failureToRead(cause);
        const meshCode = message.headers["x-hms-error"];
        const good = message.statusCode < 300 || !this.#plan.throwOnError;
        let bytes;
        if (good && this.#answer.wanted === "bytes") bytes = await readBytes(message, failure);
        if (!good && meshCode) bytes = await readBytes(message, failure, ERROR_BODY_BYTES);
        const outcome = new Outcome(this.#plan, message, failure, bytes);
        // Made now, it begins to read: a small body frees its connection whoever reads it when.
        if (!bytes) void outcome.response;
        if (good) return outcome;
        throw meshCode ? MeshError.byMesh(this.#plan, meshCode, outcome) : MeshError.answered(this.#plan, outcome);
    }

    #failureToSend(cause) {
        if (this.#reason !== undefined) return this.#reason;
        if (NOT_CONNECTED.has(cause.code)) {
            return this.#error(503, "sidecar-unreachable", "no", {
                message: `no sidecar to call ${this.#plan.service} through: ${cause.message}`,
                hint: "is it still running? hms-mesh status",
                cause,
            });
        }
        if (cause.code?.startsWith("HPE_")) {
            return this.#error(502, "bad-response", "unknown", {
                message: `what came from the sidecar for ${this.#plan.service} is not HTTP: ${cause.message}`,
                hint: "does HMS_MESH_ADDR name a sidecar?",
                cause,
            });
        }
        return this.#error(502, "sidecar-reset", "unknown", {
            message: `the sidecar closed the connection without an answer from ${this.#plan.service}: ${cause.message}`,
            hint: "the request may have been carried out; send it again only if that does no harm",
            cause,
        });
    }

    #failureToRead(cause) {
        if (this.#reason !== undefined) return this.#reason;
        const message = `the answer of ${this.#plan.service} to ${this.#plan.method} ${this.#plan.pathOnly} was cut off`;
        return this.#error(502, "response-cut", "yes", { message, cause });
    }

    #error(status, code, delivered, { message, hint, cause }) {
        return new MeshError(message, { status, code, service: this.#plan.service, delivered, hint, cause });
    }
}

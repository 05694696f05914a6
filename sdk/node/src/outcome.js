import { responseBody } from "./response-body.js";
import { utf8 } from "./utf8.js";

/** Statuses whose answers have no body, which `Response` insists on. */
const WITHOUT_BODY = new Set([204, 205, 304]);

/** A response's head, and its body either read (`bytes`) or to be read through `response`. */
export class Outcome {
    #plan;
    #message;
    #failure;
    #response;

    /** `failure()` is why a body that ends too early did so. */
    constructor(plan, message, failure, bytes) {
        this.#plan = plan;
        this.#message = message;
        this.#failure = failure;
        this.bytes = bytes;
    }

    get status() {
        return this.#message.statusCode;
    }

    get statusText() {
        return this.#message.statusMessage;
    }

    get ok() {
        return this.status >= 200 && this.status < 300;
    }

    /** The standard `Response`, made when it is first asked for. */
    get response() {
        return (this.#response ??= this.#makeResponse());
    }

    header(name) {
        const value = this.#message.headers[name];
        return typeof value === "string" ? value : undefined;
    }

    text() {
        return utf8(this.bytes);
    }

    json() {
        try {
            return JSON.parse(this.text());
        } catch (error) {
            const { service, method, pathOnly } = this.#plan;
            const what = this.bytes.length === 0 ? "no body" : "a body that is not JSON";
            throw new SyntaxError(`${service} answered ${this.status} with ${what} to ${method} ${pathOnly}`, { cause: error });
        }
    }

    #makeResponse() {
        const headers = new Headers();
        const raw = this.#message.rawHeaders;
        for (let at = 0; at + 1 < raw.length; at += 2) headers.append(raw[at], raw[at + 1]);
        const empty = WITHOUT_BODY.has(this.status) || this.#plan.method === "HEAD";
        // What comes although there is to be none (never, by HTTP's own framing) would hold the connection.
        if (empty && !this.bytes) this.#message.resume();
        const body = empty ? null : (this.bytes ?? responseBody(this.#message, this.#failure));
        return new Response(body, { status: this.status, statusText: this.statusText, headers });
    }
}

import { utf8 } from "./utf8.js";

/**
 * A call that came to nothing, or to an answer other than 2xx.
 *
 * `code` tells reasons apart: the mesh's own (`x-hms-error`), `app-error` for what the service itself answered, and those
 * made here: `no-sidecar`, `sidecar-unreachable`, `sidecar-reset`, `response-cut`, `bad-response`, `timeout`, `deadline`.
 * `delivered` is `no` when the service certainly has not seen the request, `yes` when it has answered, else `unknown`.
 * `response` is there whenever there was an answer, its body unread.
 */
export class MeshError extends Error {
    constructor(message, { status, code, service, delivered, attempts, hint, instance, response, cause }) {
        super(message, cause === undefined ? undefined : { cause });
        this.status = status;
        this.code = code;
        this.service = service;
        this.delivered = delivered;
        this.attempts = attempts;
        this.hint = hint;
        this.instance = instance;
        // Out of what a log prints of an error.
        Object.defineProperty(this, "response", { value: response, enumerable: false, configurable: true });
    }

    /** What the service itself answered. */
    static answered(plan, outcome) {
        const { status, statusText } = outcome;
        const said = statusText ? `${status} ${statusText}` : `${status}`;
        return new MeshError(`${plan.service} answered ${said} to ${plan.method} ${plan.pathOnly}`, {
            status,
            code: "app-error",
            service: plan.service,
            delivered: "yes",
            attempts: attempts(outcome.header("x-hms-attempts")),
            response: outcome.response,
        });
    }

    /** What a sidecar answered in the service's place, by its header and, as far as it can be read, its JSON body. */
    static byMesh(plan, code, outcome) {
        const body = report(outcome.bytes);
        return new MeshError(text(body.message) ?? `the mesh answered ${outcome.status} ${code} for ${plan.service}`, {
            status: outcome.status,
            code,
            service: text(body.service) ?? plan.service,
            delivered: outcome.header("x-hms-delivered") ?? text(body.delivered) ?? "unknown",
            attempts: attempts(outcome.header("x-hms-attempts") ?? body.attempts),
            hint: text(body.hint),
            instance: text(body.instance),
            response: outcome.response,
        });
    }
}

Object.defineProperty(MeshError.prototype, "name", { value: "MeshError", enumerable: false, configurable: true });

function report(bytes) {
    try {
        const body = JSON.parse(utf8(bytes));
        return typeof body === "object" && body !== null ? body : {};
    } catch {
        return {};
    }
}

const text = (value) => (typeof value === "string" && value !== "" ? value : undefined);

function attempts(value) {
    const count = Number(value ?? NaN);
    return Number.isInteger(count) && count >= 0 ? count : undefined;
}

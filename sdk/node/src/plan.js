import { milliseconds } from "./duration.js";
import { MeshError } from "./mesh-error.js";
import { requestBody } from "./request-body.js";

/** A service of the mesh, `<service>.<trust domain>`, or a host that `mesh.egress` lets through. */
const SERVICE = /^[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?(?::\d{1,5})?$/i;
const METHOD = /^[A-Z][A-Z-]{0,31}$/;
const IDEMPOTENCY_KEY = /^[\x21-\x7e]{1,255}$/;
const NOT_IN_A_TARGET = /[^\x21-\x7e]/u;

/** Fields of one connection, and the name of whom it goes to: not to be handed on from another request. */
const OF_A_CONNECTION = new Set([
    "connection", "expect", "host", "http2-settings", "keep-alive", "proxy-authenticate", "proxy-authorization",
    "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade",
]);

/**
 * What will be sent, out of what the caller gave and the request being handled (`inbound`), everything checked: the
 * options' mistakes are `TypeError`s, a deadline that is over a `MeshError`.
 */
export function planCall(service, path, options = {}, inbound = undefined) {
    if (typeof service !== "string" || !SERVICE.test(service)) {
        throw new TypeError(`${JSON.stringify(service)} is no service; give a name such as "identity-check"`);
    }
    const target = requestTarget(path, options.query);
    const body = requestBody(options);
    const method = requestMethod(options.method, body);
    const plan = {
        service,
        method,
        target,
        pathOnly: target.split("?", 1)[0],
        body,
        signal: options.signal ?? undefined,
        throwOnError: options.throwOnError ?? true,
        timeout: callTimeout(service, options.timeout, inbound),
    };
    plan.headers = requestHeaders(plan, options, inbound);
    return plan;
}

function requestTarget(path, query) {
    if (typeof path !== "string" || !path.startsWith("/")) {
        throw new TypeError(`the path is ${JSON.stringify(path)}; it begins with /`);
    }
    if (path.includes("#")) throw new TypeError(`# in the path ${JSON.stringify(path)}; write %23`);
    const target = NOT_IN_A_TARGET.test(path) ? path.replace(/[^\x21-\x7e]+/gu, encodeURIComponent) : path;
    const search = query === undefined ? "" : searchParameters(query).toString();
    if (search === "") return target;
    return `${target}${target.includes("?") ? "&" : "?"}${search}`;
}

/** As `URLSearchParams` takes it; in a plain object a list gives its name several times, and nothing is left out. */
function searchParameters(query) {
    if (typeof query === "string" || typeof query?.[Symbol.iterator] === "function") return new URLSearchParams(query);
    const parameters = new URLSearchParams();
    for (const [name, value] of Object.entries(query ?? {})) {
        for (const one of Array.isArray(value) ? value : [value]) {
            if (one !== undefined && one !== null) parameters.append(name, one);
        }
    }
    return parameters;
}

function requestMethod(given, body) {
    const method = given === undefined ? (body ? "POST" : "GET") : String(given).toUpperCase();
    if (!METHOD.test(method) || method === "CONNECT") throw new TypeError(`${JSON.stringify(given)} is no method to call with`);
    if (body && (method === "GET" || method === "HEAD")) throw new TypeError(`a ${method} request has no body`);
    return method;
}

/** The caller's timeout, or what the request being handled has left when that is less. */
function callTimeout(service, given, inbound) {
    const asked = given === undefined ? undefined : milliseconds(given);
    const left = inbound?.remaining();
    if (left === undefined) return asked;
    if (left <= 0) {
        throw new MeshError(`${service} was not called: the deadline of the request being handled is over`, {
            status: 504,
            code: "deadline",
            service,
            delivered: "no",
            attempts: 0,
            hint: "its caller no longer waits; a longer timeout there, or less work before this call",
        });
    }
    return asked === undefined ? left : Math.min(asked, left);
}

function requestHeaders({ service, body, timeout }, { headers, idempotencyKey }, inbound) {
    const fields = { host: service };
    if (inbound?.traceparent !== undefined) {
        fields.traceparent = inbound.traceparent;
        if (inbound.tracestate !== undefined) fields.tracestate = inbound.tracestate;
    }
    if (body?.type !== undefined) fields["content-type"] = body.type;
    addGiven(fields, headers, body);
    if (idempotencyKey !== undefined) {
        if (typeof idempotencyKey !== "string" || !IDEMPOTENCY_KEY.test(idempotencyKey)) {
            throw new TypeError("idempotencyKey is 1 to 255 visible ASCII characters");
        }
        fields["idempotency-key"] = idempotencyKey;
    }
    if (timeout !== undefined) fields["x-hms-timeout-ms"] = String(Math.max(1, Math.floor(timeout)));
    return fields;
}

/**
 * The caller's own fields. What belongs to a connection or to the mesh is left out, and a length that is not that of the
 * body being sent, so that the fields of a request being handled can be handed on as they are.
 */
function addGiven(fields, headers, body) {
    if (headers === undefined || headers === null) return;
    const pairs = typeof headers[Symbol.iterator] === "function" ? headers : Object.entries(headers);
    const own = {};
    for (const [given, value] of pairs) {
        const name = String(given).toLowerCase();
        if (value === undefined || value === null) continue;
        if (OF_A_CONNECTION.has(name) || name.startsWith("x-hms-")) continue;
        if (name === "content-length" && !body?.stream) continue;
        own[name] = name in own ? [].concat(own[name], value) : value;
    }
    if (own.traceparent !== undefined) delete fields.tracestate;
    Object.assign(fields, own);
}

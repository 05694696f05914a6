import { Readable } from "node:stream";

/**
 * The body to send: `type`, its media type unless the caller says another; then either `whole` (a string or bytes, sent
 * with their length) or `stream` (a `Readable`, sent in chunks as they come). `undefined` when there is none.
 */
export function requestBody({ json, body }) {
    if (json !== undefined) {
        if (body !== undefined) throw new TypeError("give json or body, not both");
        const whole = JSON.stringify(json);
        if (whole === undefined) throw new TypeError(`json is a ${typeof json}, which has no JSON form`);
        return { type: "application/json", whole };
    }
    if (body === undefined || body === null) return undefined;
    if (typeof body === "string") return { type: "text/plain;charset=UTF-8", whole: body };
    if (ArrayBuffer.isView(body)) return { whole: new Uint8Array(body.buffer, body.byteOffset, body.byteLength) };
    if (body instanceof ArrayBuffer || body instanceof SharedArrayBuffer) return { whole: new Uint8Array(body) };
    if (body instanceof URLSearchParams) {
        return { type: "application/x-www-form-urlencoded;charset=UTF-8", whole: body.toString() };
    }
    if (body instanceof Blob || body instanceof FormData) return encodedByFetch(body);
    if (body instanceof Readable) return { stream: body };
    if (body instanceof ReadableStream) return { stream: Readable.fromWeb(body) };
    if (typeof body[Symbol.asyncIterator] === "function" || typeof body[Symbol.iterator] === "function") {
        return { stream: Readable.from(body) };
    }
    throw new TypeError("the body is none of: string, bytes, Blob, FormData, URLSearchParams, stream, async iterable");
}

/** Multipart boundaries and a blob's type are the standard `Response`'s to choose. */
function encodedByFetch(body) {
    const encoded = new Response(body);
    return { type: encoded.headers.get("content-type") ?? undefined, stream: Readable.fromWeb(encoded.body) };
}

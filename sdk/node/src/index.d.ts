/** Milliseconds, or a text such as `"800ms"`, `"2s"` or `"1m"`. */
export type Timeout = number | `${number}ms` | `${number}s` | `${number}m`;

/** A body that is sent as it comes, without a length. Node's `Readable` is an async iterable. */
export type StreamedBody = ReadableStream<Uint8Array> | AsyncIterable<string | Uint8Array>;

export type RequestBody =
    | string
    | ArrayBuffer
    | ArrayBufferView
    | Blob
    | FormData
    | URLSearchParams
    | StreamedBody;

export type QueryValue = string | number | boolean | bigint | null | undefined;

/** In an object, a list gives its name several times; `null` and `undefined` leave a name out. */
export type Query =
    | string
    | URLSearchParams
    | Iterable<[string, string]>
    | Readonly<Record<string, QueryValue | readonly QueryValue[]>>;

/** Request fields; those of a request being handled (`request.headers`) can be handed on as they are. */
export type RequestHeaders =
    | Headers
    | Iterable<readonly [string, string]>
    | Readonly<Record<string, string | number | readonly string[] | null | undefined>>;

export interface CallOptions {
    /** `POST` when there is a body, else `GET`. */
    method?: string;
    /** Sent as JSON. Not together with `body`. */
    json?: unknown;
    body?: RequestBody | null;
    /** Fields of a connection (`Host`, `Connection`, …) and the mesh's own (`x-hms-…`) are left out. */
    headers?: RequestHeaders | null;
    query?: Query;
    /**
     * How long the call may take until the head of the response, all tries of the sidecar together. Never more than the
     * request being handled has left. Without it the caller's `hms.yml` rules.
     */
    timeout?: Timeout;
    /** Ends the call, or the reading of its body; it fails with the signal's reason. */
    signal?: AbortSignal | null;
    /** Says that sending this request twice does no more than sending it once, so that the sidecar may retry it. */
    idempotencyKey?: string;
    /** `false`: any answer is a `Response`, also one that is not 2xx. */
    throwOnError?: boolean;
}

/**
 * A request on its way: awaited it is a standard `Response`, and its methods give the body straight away. It is sent
 * whether it is awaited or not.
 */
export interface MeshCall extends PromiseLike<Response> {
    then<Fulfilled = Response, Rejected = never>(
        fulfilled?: ((response: Response) => Fulfilled | PromiseLike<Fulfilled>) | null,
        rejected?: ((reason: any) => Rejected | PromiseLike<Rejected>) | null,
    ): Promise<Fulfilled | Rejected>;
    catch<Rejected = never>(
        rejected?: ((reason: any) => Rejected | PromiseLike<Rejected>) | null,
    ): Promise<Response | Rejected>;
    finally(settled?: (() => void) | null): Promise<Response>;
    json<Body = any>(): Promise<Body>;
    text(): Promise<string>;
    bytes(): Promise<Uint8Array>;
    arrayBuffer(): Promise<ArrayBuffer>;
    blob(): Promise<Blob>;
    formData(): Promise<FormData>;
    readonly [Symbol.toStringTag]: string;
}

export interface Mesh {
    /** Sends one request to a service. It is never retried here, and no idempotency key is made up. */
    call(service: string, path: string, options?: CallOptions): MeshCall;
    /** Closes the connections to the sidecar. */
    close(): void;
}

export interface MeshOptions {
    /** The sidecar's `host:port` or `unix:PATH`; else it is looked for at the first call. */
    address?: string;
}

export function createMesh(options?: MeshOptions): Mesh;

export const mesh: Mesh;

/** What the mesh itself says is wrong (`x-hms-error`). */
export type SidecarErrorCode =
    | "unknown-service"
    | "no-instances"
    | "connect-failed"
    | "tls-failed"
    | "wrong-peer"
    | "clock-skew"
    | "certificate-expired"
    | "caller-not-allowed"
    | "caller-revoked"
    | "app-refused"
    | "app-reset"
    | "timeout"
    | "deadline"
    | "breaker-open"
    | "overloaded"
    | "budget-spent"
    | "draining"
    | "not-retried"
    | "egress-denied"
    | "wrong-protocol"
    | "bad-request";

/** What is found out on this side of the sidecar, and `app-error` for what the service itself answered. */
export type ClientErrorCode =
    | "app-error"
    | "no-sidecar"
    | "sidecar-unreachable"
    | "sidecar-reset"
    | "response-cut"
    | "bad-response";

export type MeshErrorCode = SidecarErrorCode | ClientErrorCode | (string & {});

export interface MeshErrorDetails {
    status: number;
    code: MeshErrorCode;
    service: string;
    delivered: "no" | "unknown" | "yes";
    attempts?: number;
    hint?: string;
    instance?: string;
    response?: Response;
    cause?: unknown;
}

export class MeshError extends Error {
    /** The SDK makes them; tests of code that handles them may, too. */
    constructor(message: string, details: MeshErrorDetails);
    readonly name: "MeshError";
    /** The answer's status; where there was none, the one that fits best to hand on. */
    readonly status: number;
    readonly code: MeshErrorCode;
    /** The service that the failure is about. */
    readonly service: string;
    /** `no`: the service has not seen the request. `yes`: it has answered. */
    readonly delivered: "no" | "unknown" | "yes";
    /** How many times it was tried, as far as that is known. */
    readonly attempts: number | undefined;
    /** What to do about it. */
    readonly hint: string | undefined;
    readonly instance: string | undefined;
    /** The answer, if there was one, its body unread. */
    readonly response: Response | undefined;
}

// Compiled, never run: what users write must have these types, and mistakes must be refused.
import { createMesh, mesh, MeshError } from "../src/index.js";
import type { Mesh, MeshErrorCode } from "../src/index.js";

interface Verdict {
    valid: boolean;
}

export async function uses(stream: AsyncIterable<Uint8Array>, signal: AbortSignal): Promise<void> {
    const response: Response = await mesh.call("identity-check", "/validate", { method: "POST", json: { passport: "C01X" } });
    const verdict: Verdict = await mesh.call("identity-check", "/validate").json<Verdict>();
    const text: string = await mesh.call("identity-check", "/validate", { query: { a: 1, b: ["x", true], c: undefined } }).text();
    const bytes: Uint8Array = await mesh.call("photo-store", "/photos/1").bytes();
    const both: [Response, string] = await Promise.all([mesh.call("a", "/"), mesh.call("b", "/").text()]);
    const status: number = await mesh.call("a", "/").then((answer) => answer.status);
    await mesh.call("photo-store", "/photos", { body: stream, timeout: "2s", signal, idempotencyKey: "renewal-1" });
    await mesh.call("photo-store", "/photos", { body: new FormData(), timeout: 800, throwOnError: false });
    await mesh.call("photo-store", "/photos", { headers: { accept: "image/png", "x-list": ["a", "b"], none: undefined } });
    const other: Mesh = createMesh({ address: "127.0.0.1:9011" });
    other.close();
    void [response, verdict, text, bytes, both, status];
}

export function reads(error: unknown): MeshErrorCode | undefined {
    if (!(error instanceof MeshError)) return undefined;
    const told: [number, string, string | undefined, Response | undefined] =
        [error.status, error.service, error.hint, error.response];
    return told[0] === 503 && error.delivered === "no" && error.code === "breaker-open" ? error.code : undefined;
}

export const made: Error = new MeshError("no", { status: 503, code: "no-instances", service: "a", delivered: "no" });

export function mistakes(): void {
    // @ts-expect-error: a timeout has a unit
    void mesh.call("a", "/", { timeout: "2 seconds" });
    // @ts-expect-error: the option's name is idempotencyKey
    void mesh.call("a", "/", { idempotency: "x" });
    // @ts-expect-error: a path is needed
    void mesh.call("a");
    // @ts-expect-error: no such code of delivery
    void ((error: MeshError) => error.delivered === "maybe");
}

/**
 * A request on its way. Awaited it is a standard `Response`; `json()`, `text()` and their like give the body straight
 * away, without making a `Response` first.
 */
export class MeshCall {
    #settled;
    #answer = new Answer();

    constructor(send) {
        this.#settled = settled(send(this.#answer));
    }

    then(fulfilled, rejected) {
        return this.#response().then(fulfilled, rejected);
    }

    catch(rejected) {
        return this.#response().catch(rejected);
    }

    finally(settled) {
        return this.#response().finally(settled);
    }

    async json() {
        const outcome = await this.#body();
        return outcome.bytes ? outcome.json() : outcome.response.json();
    }

    async text() {
        const outcome = await this.#body();
        return outcome.bytes ? outcome.text() : outcome.response.text();
    }

    async bytes() {
        const outcome = await this.#body();
        // A copy: the outcome's bytes serve every reader of the call.
        return outcome.bytes ? new Uint8Array(outcome.bytes) : new Uint8Array(await outcome.response.arrayBuffer());
    }

    async arrayBuffer() {
        return (await this.bytes()).buffer;
    }

    async blob() {
        return (await this.#response()).blob();
    }

    async formData() {
        return (await this.#response()).formData();
    }

    get [Symbol.toStringTag]() {
        return "MeshCall";
    }

    async #response() {
        this.#answer.wanted ??= "response";
        return outcomeOf(await this.#settled).response;
    }

    async #body() {
        this.#answer.wanted ??= "bytes";
        return outcomeOf(await this.#settled);
    }
}

/**
 * How a call ended, as a promise that never fails and so never counts as unhandled; those made from it, which users hold,
 * do. Awaiting it is all that is done with it: only so does the trace of an error lead back to the line that called.
 */
async function settled(outcome) {
    try {
        return { outcome: await outcome };
    } catch (error) {
        return { error };
    }
}

function outcomeOf(ending) {
    if ("error" in ending) throw ending.error;
    return ending.outcome;
}

/**
 * What the caller has asked for by the time the response's head comes: its `bytes`, read as they arrive, or a
 * `response`, which is also made when nobody has asked yet.
 */
class Answer {
    wanted;
}

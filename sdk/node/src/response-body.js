/** How much of a body is read ahead of its reader. A body up to this size frees its connection read or not. */
const QUEUE_BYTES = 64 * 1024;

/**
 * The whole body of a message, or of a longer one the first `limit` bytes or a little more. Fails with `failure()` when
 * the message ends too early.
 */
export function readBytes(message, failure, limit = Infinity) {
    return new Promise((resolve, reject) => {
        const chunks = [];
        let length = 0;
        message.on("data", (chunk) => {
            chunks.push(chunk);
            length += chunk.length;
            if (length < limit) return;
            resolve(Buffer.concat(chunks));
            message.destroy();
        });
        message.on("end", () => resolve(chunks.length === 1 ? chunks[0] : Buffer.concat(chunks)));
        message.on("error", (error) => reject(failure(error)));
        message.on("close", () => {
            if (!message.readableEnded) reject(failure());
        });
    });
}

/**
 * The body of a message as a standard stream, with back-pressure: no more than the queue's size is read ahead. Cancelling
 * it closes the connection, and so does letting go of it unread.
 */
export function responseBody(message, failure) {
    const strategy = { highWaterMark: QUEUE_BYTES, size: (chunk) => chunk.byteLength };
    return new ReadableStream(new MessageSource(message, failure), strategy);
}

/** Closes the connections of bodies that nobody can read any more. */
const abandoned = new FinalizationRegistry((message) => message.destroy());

class MessageSource {
    #message;
    #failure;
    #reader = new ReaderEnd();

    constructor(message, failure) {
        this.#message = message;
        this.#failure = failure;
    }

    start(controller) {
        const message = this.#message;
        const failure = this.#failure;
        // These hold the reader's end alone, never the source: see there.
        const reader = this.#reader;
        reader.flow(controller);
        message.on("data", (chunk) => reader.take(chunk, message));
        message.on("end", () => reader.close());
        message.on("error", (error) => reader.fail(() => failure(error)));
        message.on("close", () => reader.fail(failure));
    }

    pull(controller) {
        this.#reader.flow(controller);
        this.#message.resume();
    }

    cancel() {
        this.#reader.ended = true;
        this.#message.destroy();
    }
}

/**
 * The way from a message to its stream. While bytes flow it holds the stream; while it waits for a reader it must not,
 * for the message lives as long as its connection, and would keep a stream alive that nobody will ever read.
 */
class ReaderEnd {
    ended = false;
    #controller;
    #waiting;

    flow(controller) {
        this.#controller = controller;
    }

    take(chunk, message) {
        if (this.ended) return;
        const controller = this.#controller;
        controller.enqueue(chunk);
        if (controller.desiredSize > 0) return;
        message.pause();
        if (!this.#waiting) {
            this.#waiting = new WeakRef(controller);
            abandoned.register(controller, message);
        }
        this.#controller = undefined;
    }

    close() {
        this.#end((controller) => controller.close());
    }

    fail(reason) {
        this.#end((controller) => controller.error(reason()));
    }

    #end(tell) {
        if (this.ended) return;
        this.ended = true;
        const controller = this.#controller ?? this.#waiting?.deref();
        if (controller) tell(controller);
    }
}

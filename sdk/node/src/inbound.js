import { AsyncLocalStorage } from "node:async_hooks";
import { channel } from "node:diagnostics_channel";
import { performance } from "node:perf_hooks";

const TRACEPARENT = /^[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}(-|$)/;
const WHOLE_MILLISECONDS = /^\d{1,10}$/;

/**
 * How long after its end a deadline still rules, in milliseconds. Longer than any handler goes on for a caller that has
 * left, and an end to it: work that a request happens to start once for the whole process lives on in that request's
 * context.
 */
const DEADLINE_AFTERLIFE_MS = 60_000;

/**
 * What a request that is being handled hands on to the calls made for it: its trace, and what is left of its deadline.
 */
class Inbound {
    #response;
    #deadline;

    constructor({ headers }, response) {
        this.#response = response;
        const timeout = headers["x-hms-timeout-ms"];
        if (timeout !== undefined && WHOLE_MILLISECONDS.test(timeout)) {
            this.#deadline = performance.now() + Number(timeout);
        }
        const { traceparent, tracestate } = headers;
        if (traceparent !== undefined && TRACEPARENT.test(traceparent)) {
            this.traceparent = traceparent;
            this.tracestate = tracestate;
        }
    }

    /**
     * Milliseconds left, negative when it is over; `undefined` when there is no deadline. What goes on after the answer
     * was given has none.
     */
    remaining() {
        if (this.#deadline === undefined || this.#response.writableEnded) return undefined;
        const left = this.#deadline - performance.now();
        return left < -DEADLINE_AFTERLIFE_MS ? undefined : left;
    }
}

const storage = new AsyncLocalStorage();

// Node says here that a request has come, just before its handler runs, in whichever framework; the context entered is
// the one that the handler and all that it starts run in. A connection's next request enters its own.
const requests = channel("http.server.request.start");
requests.subscribe(({ request, response }) => storage.enterWith(new Inbound(request, response)));

/** The request that the running code belongs to, if any. */
export const currentInbound = () => storage.getStore();

const FORM = /^(\d+(?:\.\d+)?)(ms|s|m)$/;
const MILLISECONDS = { ms: 1, s: 1_000, m: 60_000 };

/** The longest delay that a timer takes (2^31 - 1 ms, 24 days). */
const LONGEST_MS = 2 ** 31 - 1;

/** Milliseconds of a number of them, or of a text such as `800ms`, `2s` or `1m`. */
export function milliseconds(value) {
    const form = typeof value === "string" ? FORM.exec(value) : null;
    const count = form ? Number(form[1]) * MILLISECONDS[form[2]] : value;
    if (typeof count !== "number" || !(count > 0) || count > LONGEST_MS) {
        throw new TypeError(`timeout is ${JSON.stringify(value)}; give milliseconds, or a text such as "800ms" or "2s"`);
    }
    return count;
}

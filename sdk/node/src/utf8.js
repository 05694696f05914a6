const BYTE_ORDER_MARK = 0xfeff;

/** UTF-8 as a standard `Response` reads it: a byte order mark is no part of the text. */
export function utf8(bytes) {
    const text = bytes.toString("utf8");
    return text.charCodeAt(0) === BYTE_ORDER_MARK ? text.slice(1) : text;
}

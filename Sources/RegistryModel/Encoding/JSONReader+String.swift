extension JSONReader {
    /// Takes a string. One without escapes is read in a single pass and, up to 15 bytes, without an allocation.
    public mutating func string() throws(RegistryModelError) -> String {
        skipWhitespace()
        guard position < bytes.count, bytes[position] == UInt8(ascii: "\"") else {
            throw malformed("a string is due")
        }
        let start = position + 1
        let (end, isASCII) = try plainEnd(from: start)
        guard bytes[end] == UInt8(ascii: "\"") else { return try escapedString(from: start, firstEscape: end) }
        let content = UnsafeRawBufferPointer(rebasing: bytes[start..<end])
        position = end + 1
        // What is ASCII needs no second look; validating costs several times as much.
        if isASCII { return String(decoding: content, as: UTF8.self) }
        guard let text = String(validating: content, as: UTF8.self) else {
            throw malformed("a string is not UTF-8", at: start)
        }
        return text
    }

    /// Passes over a string: one of plain ASCII without making it.
    mutating func skipString() throws(RegistryModelError) {
        let (end, isASCII) = try plainEnd(from: position + 1)
        if isASCII, bytes[end] == UInt8(ascii: "\"") {
            position = end + 1
        } else {
            _ = try string()
        }
    }

    /// The closing quotation mark or the first escape, whichever comes first, and whether all before it is ASCII.
    private func plainEnd(from start: Int) throws(RegistryModelError) -> (end: Int, isASCII: Bool) {
        var end = start
        var seen: UInt8 = 0
        while end < bytes.count {
            let byte = bytes[end]
            if byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "\\") { return (end, seen < 0x80) }
            guard byte >= 0x20 else { throw malformed("a control character must be escaped", at: end) }
            seen |= byte
            end += 1
        }
        throw malformed("a string does not end", at: start)
    }

    private mutating func escapedString(from start: Int, firstEscape: Int) throws(RegistryModelError) -> String {
        var decoded = [UInt8](bytes[start..<firstEscape])
        position = firstEscape
        while position < bytes.count {
            let byte = bytes[position]
            position += 1
            switch byte {
            case UInt8(ascii: "\""):
                guard let text = String(validating: decoded, as: UTF8.self) else {
                    throw malformed("a string is not UTF-8", at: start)
                }
                return text
            case UInt8(ascii: "\\"): try appendEscape(to: &decoded)
            case 0..<0x20: throw malformed("a control character must be escaped", at: position - 1)
            default: decoded.append(byte)
            }
        }
        throw malformed("a string does not end", at: start)
    }

    private mutating func appendEscape(to decoded: inout [UInt8]) throws(RegistryModelError) {
        guard position < bytes.count else { throw malformed("an escape is cut short") }
        let byte = bytes[position]
        position += 1
        switch byte {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): decoded.append(byte)
        case UInt8(ascii: "n"): decoded.append(0x0A)
        case UInt8(ascii: "t"): decoded.append(0x09)
        case UInt8(ascii: "r"): decoded.append(0x0D)
        case UInt8(ascii: "b"): decoded.append(0x08)
        case UInt8(ascii: "f"): decoded.append(0x0C)
        case UInt8(ascii: "u"): decoded.append(contentsOf: String(try unicodeEscape()).utf8)
        default: throw malformed("no such escape", at: position - 1)
        }
    }

    /// Behind `\u`: one code unit, or a surrogate pair (RFC 8259 §7).
    private mutating func unicodeEscape() throws(RegistryModelError) -> Character {
        let first = try hexadecimal4()
        if let scalar = Unicode.Scalar(first) { return Character(scalar) }
        guard (0xD800..<0xDC00).contains(first), bytes.count - position >= 2,
            bytes[position] == UInt8(ascii: "\\"), bytes[position + 1] == UInt8(ascii: "u")
        else { throw malformed("half of a surrogate pair") }
        position += 2
        let second = try hexadecimal4()
        guard (0xDC00..<0xE000).contains(second),
            let scalar = Unicode.Scalar(0x10000 + ((first - 0xD800) << 10) + (second - 0xDC00))
        else { throw malformed("half of a surrogate pair") }
        return Character(scalar)
    }

    private mutating func hexadecimal4() throws(RegistryModelError) -> UInt32 {
        guard bytes.count - position >= 4 else { throw malformed("an escape is cut short") }
        var value: UInt32 = 0
        for _ in 0..<4 {
            guard let digit = Character(Unicode.Scalar(bytes[position])).hexDigitValue else {
                throw malformed("a hexadecimal digit is due")
            }
            value = value << 4 | UInt32(digit)
            position += 1
        }
        return value
    }
}

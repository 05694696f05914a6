/// The trace that a request belongs to (W3C Trace Context): the caller's, or a new one.
struct TraceContext {
    /// 32 hexadecimal digits.
    let traceID: String
    /// The caller's span, 16 hexadecimal digits; nil where the trace begins here.
    let parentSpan: String?
    /// Whether whoever began it wants its spans kept.
    let isSampled: Bool
    /// The whole field, where the caller sent none.
    private let header: String?

    /// - Parameter isTraced: a trace that begins here is to be kept.
    init(_ head: RequestHead, using generator: inout some RandomNumberGenerator, isTraced: Bool) {
        if let value = head.block.value(.traceparent), let read = Self.read(value) {
            (traceID, parentSpan, isSampled) = read
            header = nil
            return
        }
        var digits: [UInt8] = []
        digits.reserveCapacity(55)
        digits.append(contentsOf: "00-".utf8)
        Self.append(generator.next(), to: &digits)
        Self.append(generator.next() | 1, to: &digits)
        digits.append(UInt8(ascii: "-"))
        Self.append(generator.next() | 1, to: &digits)
        digits.append(contentsOf: "-00".utf8)
        traceID = String(decoding: digits[3..<35], as: UTF8.self)
        parentSpan = nil
        isSampled = isTraced
        header = String(decoding: digits, as: UTF8.self)
    }

    /// What goes on in place of what came; nil: what came.
    ///
    /// - Parameter span: the one that what follows is part of; nil where none is kept.
    func field(span: SpanID?) -> String? {
        guard let span else { return header }
        return "00-\(traceID)-\(span)-01"
    }

    /// `version-traceid-parentid-flags`
    private static func read(_ value: String) -> (String, String?, Bool)? {
        let bytes = Array(value.utf8)
        guard bytes.count >= 55, bytes[2] == UInt8(ascii: "-"), bytes[35] == UInt8(ascii: "-"),
            bytes[52] == UInt8(ascii: "-"), let id = identifier(bytes[3..<35])
        else { return nil }
        // The low bit of the flags' second digit (W3C Trace Context §3.2.2.5).
        let flags = UInt8(String(decoding: bytes[53..<55], as: UTF8.self), radix: 16) ?? 0
        return (id, identifier(bytes[36..<52]), flags & 1 == 1)
    }

    /// Lower-case hexadecimal digits that are not all zeros.
    private static func identifier(_ bytes: ArraySlice<UInt8>) -> String? {
        guard bytes.allSatisfy({ $0 >= 0x30 && $0 <= 0x39 || $0 >= 0x61 && $0 <= 0x66 }),
            bytes.contains(where: { $0 != 0x30 })
        else { return nil }
        return String(decoding: bytes, as: UTF8.self)
    }

    fileprivate static func append(_ word: UInt64, to digits: inout [UInt8]) {
        for shift in stride(from: 60, through: 0, by: -4) {
            let nibble = UInt8(truncatingIfNeeded: word >> shift) & 0xf
            digits.append(nibble < 10 ? UInt8(ascii: "0") + nibble : UInt8(ascii: "a") + nibble - 10)
        }
    }
}

/// A span of ours: of a call, of a try, or of what came in.
struct SpanID: Sendable, Equatable, CustomStringConvertible {
    private let value: UInt64

    init(using generator: inout some RandomNumberGenerator) {
        value = generator.next() | 1
    }

    /// 16 hexadecimal digits.
    var description: String {
        var digits: [UInt8] = []
        digits.reserveCapacity(16)
        TraceContext.append(value, to: &digits)
        return String(decoding: digits, as: UTF8.self)
    }
}

/// Where a request's span stands in its trace.
struct SpanPlace: Sendable {
    var own: SpanID
    var parent: String?
}

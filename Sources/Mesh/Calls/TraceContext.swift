import NIOCore
import RegistryModel

/// The trace that a request belongs to (W3C Trace Context): the caller's, or a new one.
struct TraceContext {
    let traceID: TraceID
    /// The caller's span; nil where the trace begins here.
    let parentSpan: SpanID?
    /// Whether whoever began it wants its spans kept.
    let isSampled: Bool
    /// The whole field, where the caller sent none.
    private let own: TraceParent?

    /// - Parameter isTraced: a trace that begins here is to be kept.
    init(_ head: RequestHead, using generator: inout some RandomNumberGenerator, isTraced: Bool) {
        if let field = head.block.first(.traceparent),
            let read = head.block.bytes.withUnsafeReadableBytes({ Self.read($0[field.value.integers]) })
        {
            (traceID, parentSpan, isSampled) = read
            own = nil
            return
        }
        traceID = TraceID(using: &generator)
        parentSpan = nil
        isSampled = isTraced
        own = TraceParent(trace: traceID, span: SpanID(using: &generator), isSampled: false)
    }

    /// What goes on in place of what came; nil: what came.
    ///
    /// - Parameter span: the one that what follows is part of; nil where none is kept.
    func field(span: SpanID?) -> TraceParent? {
        guard let span else { return own }
        return TraceParent(trace: traceID, span: span, isSampled: true)
    }

    /// `version-traceid-parentid-flags`
    private static func read(_ field: Slice<UnsafeRawBufferPointer>) -> (TraceID, SpanID?, Bool)? {
        let bytes = UnsafeRawBufferPointer(rebasing: field)
        let dash = UInt8(ascii: "-")
        guard bytes.count >= 55, bytes[2] == dash, bytes[35] == dash, bytes[52] == dash,
            let id = TraceID(hexadecimal: bytes[3..<35])
        else { return nil }
        // The low bit of the flags' second digit (W3C Trace Context §3.2.2.5).
        let flags = Hexadecimal.word(bytes[53..<55]) ?? 0
        return (id, SpanID(hexadecimal: bytes[36..<52]), flags & 1 == 1)
    }
}

/// A trace's number, which is never 0.
struct TraceID: Sendable, Hashable, CustomStringConvertible {
    let high: UInt64
    let low: UInt64

    init(high: UInt64, low: UInt64) {
        self.high = high
        self.low = low
    }

    init(using generator: inout some RandomNumberGenerator) {
        self.init(high: generator.next(), low: generator.next() | 1)
    }

    /// From 32 lower-case hexadecimal digits that are not all zeros.
    init?(hexadecimal digits: some Collection<UInt8>) {
        guard digits.count == 32, let high = Hexadecimal.word(digits.prefix(16)),
            let low = Hexadecimal.word(digits.suffix(16)), high | low != 0
        else { return nil }
        self.init(high: high, low: low)
    }

    /// 32 hexadecimal digits.
    var description: String {
        withDigits { String(decoding: $0, as: UTF8.self) }
    }

    func withDigits<R>(_ body: (UnsafeRawBufferPointer) -> R) -> R {
        withUnsafeBytes(of: (Hexadecimal.digits(high), Hexadecimal.digits(low)), body)
    }
}

/// A span: a call of ours, a try, what came in; or the caller's. Never 0.
struct SpanID: Sendable, Equatable, CustomStringConvertible {
    private let value: UInt64

    init(using generator: inout some RandomNumberGenerator) {
        value = generator.next() | 1
    }

    /// From 16 lower-case hexadecimal digits that are not all zeros.
    init?(hexadecimal digits: some Collection<UInt8>) {
        guard digits.count == 16, let value = Hexadecimal.word(digits), value != 0 else { return nil }
        self.value = value
    }

    /// 16 hexadecimal digits.
    var description: String {
        withDigits { String(decoding: $0, as: UTF8.self) }
    }

    func withDigits<R>(_ body: (UnsafeRawBufferPointer) -> R) -> R {
        withUnsafeBytes(of: Hexadecimal.digits(value), body)
    }
}

/// Where a request's span stands in its trace.
struct SpanPlace: Sendable {
    var own: SpanID
    var parent: SpanID?
}

/// The field `traceparent` as it goes on.
struct TraceParent: Sendable, Equatable, CustomStringConvertible {
    let trace: TraceID
    let span: SpanID
    let isSampled: Bool

    var description: String {
        "00-\(trace)-\(span)-\(isSampled ? "01" : "00")"
    }

    func write(to buffer: inout ByteBuffer) {
        buffer.writeStaticString("00-")
        trace.withDigits { _ = buffer.writeBytes($0) }
        buffer.writeStaticString("-")
        span.withDigits { _ = buffer.writeBytes($0) }
        buffer.writeStaticString(isSampled ? "-01" : "-00")
    }
}

private enum Hexadecimal {
    /// Its 16 digits, the highest first, as they lie in memory.
    static func digits(_ word: UInt64) -> (UInt64, UInt64) {
        (digits(UInt32(truncatingIfNeeded: word >> 32)), digits(UInt32(truncatingIfNeeded: word)))
    }

    /// Eight digits at once: a nibble to each byte, and to each byte what makes it a letter or a figure.
    private static func digits(_ half: UInt32) -> UInt64 {
        var bytes = UInt64(half)
        bytes = (bytes << 32 | bytes >> 16) & 0x0000_ffff_0000_ffff
        bytes = (bytes << 16 | bytes >> 8) & 0x00ff_00ff_00ff_00ff
        bytes = (bytes << 8 | bytes >> 4) & 0x0f0f_0f0f_0f0f_0f0f
        let letters = (bytes &+ 0x0606_0606_0606_0606) >> 4 & 0x0101_0101_0101_0101
        return (bytes &+ 0x3030_3030_3030_3030 &+ letters &* 0x27).littleEndian
    }

    /// Of up to 16 lower-case digits; nil where there is anything else.
    static func word(_ digits: some Collection<UInt8>) -> UInt64? {
        var word: UInt64 = 0
        for byte in digits {
            switch byte {
            case UInt8(ascii: "0")...UInt8(ascii: "9"): word = word << 4 | UInt64(byte - UInt8(ascii: "0"))
            case UInt8(ascii: "a")...UInt8(ascii: "f"): word = word << 4 | UInt64(byte - UInt8(ascii: "a") + 10)
            default: return nil
            }
        }
        return word
    }
}

/// The trace that a request belongs to (W3C Trace Context): the caller's, or a new one.
struct TraceContext {
    /// 32 hexadecimal digits.
    let traceID: String
    /// The whole field, where the caller sent none.
    let header: String?

    init(_ head: RequestHead, using generator: inout some RandomNumberGenerator) {
        if let value = head.block.value(.traceparent), let id = Self.id(of: value) {
            traceID = id
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
        header = String(decoding: digits, as: UTF8.self)
    }

    /// `version-traceid-parentid-flags`
    private static func id(of value: String) -> String? {
        let bytes = Array(value.utf8)
        guard bytes.count >= 55, bytes[2] == UInt8(ascii: "-"), bytes[35] == UInt8(ascii: "-") else { return nil }
        let id = bytes[3..<35]
        guard id.allSatisfy({ $0 >= 0x30 && $0 <= 0x39 || $0 >= 0x61 && $0 <= 0x66 }),
            id.contains(where: { $0 != 0x30 })
        else { return nil }
        return String(decoding: id, as: UTF8.self)
    }

    private static func append(_ word: UInt64, to digits: inout [UInt8]) {
        for shift in stride(from: 60, through: 0, by: -4) {
            let nibble = UInt8(truncatingIfNeeded: word >> shift) & 0xf
            digits.append(nibble < 10 ? UInt8(ascii: "0") + nibble : UInt8(ascii: "a") + nibble - 10)
        }
    }
}

/// Reads protobuf fields one behind the other, in the forms in which encoders write them (protobuf encoding guide), from
/// bytes that may be anything.
///
/// Whatever is unusual ends it with ``Unusual``, be it wrong or merely odd: whoever wants to know asks the library.
struct ProtobufReader {
    struct Unusual: Error {}

    private enum WireType {
        static let varint: UInt8 = 0
        static let fixed64: UInt8 = 1
        static let delimited: UInt8 = 2
    }

    private let bytes: UnsafeRawBufferPointer
    private var offset = 0
    private var wireType: UInt8 = 0

    init(_ bytes: UnsafeRawBufferPointer) {
        self.bytes = bytes
    }

    /// The number of the next field, whose value is read by one of the others; nil behind the last.
    @inline(__always)
    mutating func nextField() throws(Unusual) -> UInt64? {
        guard offset < bytes.count else { return nil }
        let tag = try varint()
        wireType = UInt8(truncatingIfNeeded: tag) & 7
        return tag >> 3
    }

    @inline(__always)
    mutating func uint64() throws(Unusual) -> UInt64 {
        guard wireType == WireType.varint else { throw Unusual() }
        return try varint()
    }

    @inline(__always)
    mutating func uint32() throws(Unusual) -> UInt32 {
        guard let value = UInt32(exactly: try uint64()) else { throw Unusual() }
        return value
    }

    /// Zero means none of an enumeration's cases, which is nothing that is written.
    @inline(__always)
    mutating func enumeration<Case: RawRepresentable>() throws(Unusual) -> Case where Case.RawValue == UInt8 {
        guard let raw = UInt8(exactly: try uint64()), let value = Case(rawValue: raw) else { throw Unusual() }
        return value
    }

    @inline(__always)
    mutating func sfixed64() throws(Unusual) -> Int64 {
        guard wireType == WireType.fixed64, bytes.count - offset >= 8 else { throw Unusual() }
        defer { offset += 8 }
        return Int64(littleEndian: bytes.loadUnaligned(fromByteOffset: offset, as: Int64.self))
    }

    /// A text's, a byte string's or a message's own bytes.
    @inline(__always)
    mutating func content() throws(Unusual) -> UnsafeRawBufferPointer {
        guard wireType == WireType.delimited else { throw Unusual() }
        let length = try varint()
        guard length <= UInt64(bytes.count - offset) else { throw Unusual() }
        defer { offset += Int(length) }
        return UnsafeRawBufferPointer(rebasing: bytes[offset..<offset + Int(length)])
    }

    @inline(__always)
    mutating func text() throws(Unusual) -> String {
        guard let text = String(validating: try content(), as: UTF8.self) else { throw Unusual() }
        return text
    }

    @inline(__always)
    private mutating func varint() throws(Unusual) -> UInt64 {
        // Tags, lengths and most numbers are of one byte.
        if offset < bytes.count, bytes[offset] < 0x80 {
            defer { offset += 1 }
            return UInt64(bytes[offset])
        }
        guard let value = Varint.read(bytes, at: &offset) else { throw Unusual() }
        return value
    }
}

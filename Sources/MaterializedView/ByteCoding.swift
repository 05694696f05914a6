/// Little-endian fields, one behind the other.
struct ByteWriter {
    private(set) var bytes: [UInt8] = []

    mutating func append(_ value: some FixedWidthInteger) {
        withUnsafeBytes(of: value.littleEndian) { bytes.append(contentsOf: $0) }
    }

    /// A length of 32 bits, then the bytes.
    mutating func append(lengthPrefixed text: some Collection<UInt8>) {
        append(UInt32(clamping: text.count))
        bytes.append(contentsOf: text)
    }
}

/// Reads what ``ByteWriter`` wrote, from bytes that may be anything.
struct ByteReader {
    private let bytes: UnsafeRawBufferPointer
    private var offset = 0

    init(_ bytes: UnsafeRawBufferPointer) {
        self.bytes = bytes
    }

    var isAtEnd: Bool {
        offset == bytes.count
    }

    mutating func next<I: FixedWidthInteger>(as type: I.Type = I.self) throws(ViewError) -> I {
        let size = MemoryLayout<I>.size
        guard bytes.count - offset >= size else { throw .suspect("a row is cut short") }
        defer { offset += size }
        return I(littleEndian: bytes.loadUnaligned(fromByteOffset: offset, as: I.self))
    }

    mutating func nextLengthPrefixed() throws(ViewError) -> UnsafeRawBufferPointer {
        let count = Int(try next(as: UInt32.self))
        guard bytes.count - offset >= count else { throw .suspect("a row is cut short") }
        defer { offset += count }
        return UnsafeRawBufferPointer(rebasing: bytes[offset..<offset + count])
    }

    mutating func nextText() throws(ViewError) -> String {
        guard let text = String(validating: try nextLengthPrefixed(), as: UTF8.self) else {
            throw .suspect("a row holds no UTF-8")
        }
        return text
    }
}

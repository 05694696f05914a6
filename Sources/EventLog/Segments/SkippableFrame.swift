/// zstd's skippable frames (RFC 8878 §3.1.2), in which all that is ours stands: a magic number, a length, and content
/// that every decoder passes over.
enum SkippableFrame {
    /// Content of ours: a header or footer, told apart by its first four bytes.
    static let metadataMagic: UInt32 = 0x184D_2A58
    /// Space allocated ahead, not yet used.
    static let paddingMagic: UInt32 = 0x184D_2A5F
    static let headBytes = 8

    /// First four bytes of metadata.
    enum Kind: UInt32 {
        /// "HMSs"
        case segmentHeader = 0x7353_4D48
        /// "HMSb"
        case batchHeader = 0x6253_4D48
        /// "HMSf"
        case footer = 0x6653_4D48
    }

    static func appendHead(_ magic: UInt32, contentBytes: Int, to bytes: inout [UInt8]) {
        bytes.append(littleEndian: magic)
        bytes.append(littleEndian: UInt32(clamping: contentBytes))
    }

    /// A frame around `content`, to which its CRC-32C is added.
    static func append(_ content: [UInt8], to bytes: inout [UInt8]) {
        appendHead(metadataMagic, contentBytes: content.count + 4, to: &bytes)
        bytes.append(contentsOf: content)
        bytes.append(littleEndian: content.withUnsafeBytes { CRC32C.checksum($0) })
    }

    /// Magic and content length, where a skippable frame begins.
    static func head(_ bytes: UnsafeRawBufferPointer) -> (magic: UInt32, contentBytes: Int)? {
        guard bytes.count >= headBytes else { return nil }
        let magic = bytes.littleEndian(at: 0, as: UInt32.self)
        guard magic == metadataMagic || magic == paddingMagic else { return nil }
        return (magic, Int(bytes.littleEndian(at: 4, as: UInt32.self)))
    }

    /// The content of a whole metadata frame, without its checksum; nil where that does not fit.
    static func checkedContent(_ frame: UnsafeRawBufferPointer) -> UnsafeRawBufferPointer? {
        guard let (magic, count) = head(frame), magic == metadataMagic, count >= 8, frame.count >= headBytes + count
        else { return nil }
        let content = UnsafeRawBufferPointer(rebasing: frame[headBytes..<headBytes + count - 4])
        guard frame.littleEndian(at: headBytes + count - 4, as: UInt32.self) == CRC32C.checksum(content) else {
            return nil
        }
        return content
    }
}

extension [UInt8] {
    mutating func append(littleEndian value: some FixedWidthInteger) {
        Swift.withUnsafeBytes(of: value.littleEndian) { append(contentsOf: $0) }
    }
}

extension UnsafeRawBufferPointer {
    /// The caller has made sure that the bytes are there.
    func littleEndian<I: FixedWidthInteger>(at offset: Int, as type: I.Type) -> I {
        I(littleEndian: loadUnaligned(fromByteOffset: offset, as: I.self))
    }
}

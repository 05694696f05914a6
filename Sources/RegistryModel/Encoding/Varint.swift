/// Base-128 varints as protobuf writes them (protobuf encoding guide, "Base 128 Varints").
public enum Varint {
    public static func append(_ value: UInt64, to bytes: inout [UInt8]) {
        var rest = value
        while rest >= 0x80 {
            bytes.append(UInt8(truncatingIfNeeded: rest) | 0x80)
            rest >>= 7
        }
        bytes.append(UInt8(truncatingIfNeeded: rest))
    }

    /// Reads one at `offset` and moves it behind; nil where the bytes end first or 64 bits are not enough.
    @inline(__always)
    public static func read(_ bytes: UnsafeRawBufferPointer, at offset: inout Int) -> UInt64? {
        var value: UInt64 = 0
        var shift: UInt64 = 0
        while offset < bytes.count, shift < 64 {
            let byte = bytes[offset]
            offset += 1
            if shift == 63, byte > 1 { return nil }
            value |= UInt64(byte & 0x7F) << shift
            if byte < 0x80 { return value }
            shift += 7
        }
        return nil
    }

    /// Passes over so many, eight bytes at a time where that is safe.
    ///
    /// - Returns: false where ``read(_:at:)`` would find one that is cut short or too long.
    static func skip(_ count: UInt64, in bytes: UnsafeRawBufferPointer, at offset: inout Int) -> Bool {
        let start = offset
        var left = count
        while left > 0 {
            if left >= 8, bytes.count - offset >= 8 {
                let word = bytes.loadUnaligned(fromByteOffset: offset, as: UInt64.self)
                // Bytes that another of the same number follows. Nine of them in a row, which is where a number may
                // become too long, would make five or more in some eight.
                let following = (word & 0x8080_8080_8080_8080).nonzeroBitCount
                if following <= 4 {
                    offset += 8
                    left -= UInt64(8 - following)
                    continue
                }
            }
            // The eight bytes before may have ended within a number.
            while offset > start, bytes[offset - 1] >= 0x80 { offset -= 1 }
            guard read(bytes, at: &offset) != nil else { return false }
            left -= 1
        }
        return true
    }
}

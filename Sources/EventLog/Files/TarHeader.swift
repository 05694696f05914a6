/// A file's header in a tar archive (POSIX.1-1988, ustar): 512 bytes.
struct TarHeader: Equatable {
    static let blockBytes = 512
    private static let checksumField = 148..<156

    var name: String
    var size: UInt64

    init(name: String, size: UInt64) {
        precondition(name.utf8.count < 100, "our names are short")
        self.name = name
        self.size = size
    }

    var block: [UInt8] {
        var block = [UInt8](repeating: 0, count: Self.blockBytes)
        func put(_ text: some Sequence<UInt8>, at offset: Int) {
            for (index, byte) in text.enumerated() { block[offset + index] = byte }
        }
        put(name.utf8, at: 0)
        put("0000600".utf8, at: 100)
        put("0000000".utf8, at: 108)
        put("0000000".utf8, at: 116)
        put(Self.octal(size, digits: 11).utf8, at: 124)
        put("00000000000".utf8, at: 136)
        block[156] = UInt8(ascii: "0")
        put("ustar".utf8, at: 257)
        put("00".utf8, at: 263)
        put((Self.octal(Self.checksum(block), digits: 6) + "\0 ").utf8, at: Self.checksumField.lowerBound)
        return block
    }

    /// nil where the block is no header of a plain file.
    init?(_ block: [UInt8]) {
        guard block.count == Self.blockBytes, block[257..<262].elementsEqual("ustar".utf8),
            block[156] == UInt8(ascii: "0"), let size = Self.number(block[124..<136]),
            Self.number(block[Self.checksumField]) == Self.checksum(block)
        else { return nil }
        name = String(decoding: block[..<100].prefix { $0 != 0 }, as: UTF8.self)
        self.size = size
    }

    /// Over the block with spaces in the checksum's place.
    private static func checksum(_ block: [UInt8]) -> UInt64 {
        block.enumerated().reduce(0) { sum, entry in
            sum + (checksumField.contains(entry.offset) ? 32 : UInt64(entry.element))
        }
    }

    private static func octal(_ value: UInt64, digits: Int) -> String {
        let text = String(value, radix: 8)
        return String(repeating: "0", count: max(0, digits - text.utf8.count)) + text
    }

    private static func number(_ field: ArraySlice<UInt8>) -> UInt64? {
        let digits = field.prefix { (UInt8(ascii: "0")...UInt8(ascii: "7")).contains($0) }
        return UInt64(String(decoding: digits, as: UTF8.self), radix: 8)
    }
}

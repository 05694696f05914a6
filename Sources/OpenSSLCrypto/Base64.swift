/// Standard base64 with padding (RFC 4648 §4), of which there is one spelling: what decodes is what would be written.
public enum Base64 {
    private static let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)
    private static let padding = UInt8(ascii: "=")

    public static func encode(_ bytes: [UInt8]) -> String {
        var text: [UInt8] = []
        text.reserveCapacity((bytes.count + 2) / 3 * 4)
        var index = 0
        while index < bytes.count {
            let rest = bytes[index..<min(index + 3, bytes.count)]
            var group: UInt32 = 0
            for byte in rest { group = group << 8 | UInt32(byte) }
            group <<= 8 * UInt32(3 - rest.count)
            for position in 0..<4 {
                let sextet = Int(group >> (18 - 6 * UInt32(position)) & 63)
                text.append(position <= rest.count ? alphabet[sextet] : padding)
            }
            index += 3
        }
        return String(decoding: text, as: UTF8.self)
    }

    /// - Returns: nil for anything that ``encode(_:)`` would not have written.
    public static func decode(_ text: some StringProtocol) -> [UInt8]? {
        let characters = Array(text.utf8)
        guard characters.count.isMultiple(of: 4) else { return nil }
        var bytes: [UInt8] = []
        bytes.reserveCapacity(characters.count / 4 * 3)
        for start in stride(from: 0, to: characters.count, by: 4) {
            let quad = characters[start..<start + 4]
            let kept = quad.prefix { $0 != padding }
            guard kept.count >= 2, quad[(start + kept.count)...].allSatisfy({ $0 == padding }) else { return nil }
            var group: UInt32 = 0
            for character in kept {
                guard let sextet = value(of: character) else { return nil }
                group = group << 6 | sextet
            }
            group <<= 6 * UInt32(4 - kept.count)
            for position in 0..<kept.count - 1 { bytes.append(UInt8(group >> (16 - 8 * UInt32(position)) & 0xFF)) }
        }
        return encode(bytes).utf8.elementsEqual(characters) ? bytes : nil
    }

    private static func value(of character: UInt8) -> UInt32? {
        switch character {
        case UInt8(ascii: "A")...UInt8(ascii: "Z"): UInt32(character - UInt8(ascii: "A"))
        case UInt8(ascii: "a")...UInt8(ascii: "z"): UInt32(character - UInt8(ascii: "a")) + 26
        case UInt8(ascii: "0")...UInt8(ascii: "9"): UInt32(character - UInt8(ascii: "0")) + 52
        case UInt8(ascii: "+"): 62
        case UInt8(ascii: "/"): 63
        default: nil
        }
    }
}

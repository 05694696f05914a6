import Crypto

/// What lets a workload on another machine ask for its first certificate: one string, in which stand the registry's
/// address, the key that the registry must prove to hold, and a secret.
///
/// `hms1.` and, in base64url without padding (RFC 4648 §5): the address in UTF-8, the SHA-256 of the root's public key
/// (32 bytes), the secret (32 bytes). The registry keeps only ``hash``.
public struct JoinToken: Sendable, Equatable, CustomStringConvertible {
    private static let prefix = "hms1."
    private static let digestBytes = 32
    /// Longest `host:port`.
    private static let addressBytes = 260

    /// `host:port`
    public let address: String
    /// SHA-256 of the root certificate's SubjectPublicKeyInfo.
    public let rootKeyHash: [UInt8]
    private let secret: [UInt8]

    /// - Parameter secret: 32 bytes that nobody can guess.
    public init(address: String, rootKeyHash: [UInt8], secret: [UInt8]) {
        precondition(rootKeyHash.count == Self.digestBytes && secret.count == Self.digestBytes, "32 bytes each")
        self.address = address
        self.rootKeyHash = rootKeyHash
        self.secret = secret
    }

    /// A new one, its secret from the system's generator.
    public static func random(address: String, rootKeyHash: [UInt8]) -> JoinToken {
        JoinToken(
            address: address,
            rootKeyHash: rootKeyHash,
            secret: (0..<digestBytes).map { _ in UInt8.random(in: 0...255) }
        )
    }

    /// - Throws: `malformed-token`, without a word of what it says.
    public init(_ text: String) throws(IdentityError) {
        guard text.hasPrefix(Self.prefix), text.utf8.count <= 512,
            let bytes = Base64URL.decode(text.dropFirst(Self.prefix.count)), bytes.count > 2 * Self.digestBytes,
            bytes.count <= 2 * Self.digestBytes + Self.addressBytes
        else { throw Self.malformed }
        let addressEnd = bytes.count - 2 * Self.digestBytes
        guard let address = String(validating: bytes[..<addressEnd], as: UTF8.self), Self.isAddress(address) else {
            throw Self.malformed
        }
        self.address = address
        rootKeyHash = Array(bytes[addressEnd..<addressEnd + Self.digestBytes])
        secret = Array(bytes[(addressEnd + Self.digestBytes)...])
    }

    /// The whole token, secret included: shown once, to whoever made it.
    public var text: String {
        Self.prefix + Base64URL.encode(Array(address.utf8) + rootKeyHash + secret)
    }

    /// What the registry knows it by.
    public var hash: [UInt8] {
        Array(SHA256.hash(data: secret))
    }

    /// Safe to log: the beginning of the hash.
    public var description: String {
        "join token " + hash.prefix(4).map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
    }

    private static func isAddress(_ text: String) -> Bool {
        guard let colon = text.lastIndex(of: ":"), let port = UInt16(text[text.index(after: colon)...]), port != 0
        else {
            return false
        }
        return colon != text.startIndex && text.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F }
    }

    private static var malformed: IdentityError {
        IdentityError(.malformedToken, "this is no join token of a registry: one begins with hms1. and is one word")
    }
}

/// base64url without padding (RFC 4648 §5).
public enum Base64URL {
    private static let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_".utf8)

    public static func encode(_ bytes: [UInt8]) -> String {
        var text: [UInt8] = []
        text.reserveCapacity((bytes.count * 4 + 2) / 3)
        var index = 0
        while index < bytes.count {
            let group = bytes[index..<min(index + 3, bytes.count)]
            var bits: UInt32 = 0
            for offset in 0..<3 { bits = bits << 8 | (offset < group.count ? UInt32(group[index + offset]) : 0) }
            for digit in 0...group.count { text.append(alphabet[Int(bits >> UInt32(18 - 6 * digit) & 63)]) }
            index += 3
        }
        return String(decoding: text, as: UTF8.self)
    }

    /// nil for anything but what ``encode(_:)`` gives: there is one spelling of each value.
    public static func decode(_ text: some StringProtocol) -> [UInt8]? {
        var bytes: [UInt8] = []
        var bits: UInt32 = 0
        var count = 0
        for digit in text.utf8 {
            guard let value = alphabet.firstIndex(of: digit) else { return nil }
            bits = bits << 6 | UInt32(value)
            count += 1
            guard count == 4 else { continue }
            bytes += [UInt8(bits >> 16 & 255), UInt8(bits >> 8 & 255), UInt8(bits & 255)]
            (bits, count) = (0, 0)
        }
        switch count {
        case 0: return bytes
        case 2 where bits & 15 == 0: return bytes + [UInt8(bits >> 4 & 255)]
        case 3 where bits & 3 == 0: return bytes + [UInt8(bits >> 10 & 255), UInt8(bits >> 2 & 255)]
        default: return nil
        }
    }
}

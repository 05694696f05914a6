import Glibc

/// Addresses with a common beginning, as CIDR writes them (RFC 4632, RFC 4291 §2.3); a single address is a range of one.
public struct IPRange: Sendable, Equatable, CustomStringConvertible {
    public let description: String
    private let address: [UInt8]
    private let prefix: Int

    /// `10.0.0.0/8`, `fd00::/8`, `10.1.2.3`; nil for anything else.
    public init?(_ text: some StringProtocol) {
        let parts = text.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
        guard let address = Self.bytes(of: String(parts[0])) else { return nil }
        var prefix = address.count * 8
        if parts.count == 2 {
            guard let given = Int(parts[1]), (0...prefix).contains(given) else { return nil }
            prefix = given
        }
        self.address = address
        self.prefix = prefix
        description = String(text)
    }

    /// - Parameter host: an address; names are in no range.
    public func contains(_ host: String) -> Bool {
        guard let other = Self.bytes(of: host), other.count == address.count else { return false }
        let whole = prefix / 8
        guard address[..<whole] == other[..<whole] else { return false }
        let rest = prefix % 8
        return rest == 0 || (address[whole] ^ other[whole]) >> UInt8(8 - rest) == 0
    }

    /// Whether two texts are the same address: any two of loopback's are, since they reach the same machine.
    public static func isSameHost(_ one: String, _ other: String) -> Bool {
        guard let one = bytes(of: one), let other = bytes(of: other) else { return false }
        return one == other || isLoopback(one) && isLoopback(other)
    }

    /// 4 or 16 bytes; an IPv4 address in IPv6's clothes is an IPv4 address.
    private static func bytes(of text: String) -> [UInt8]? {
        var bytes = [UInt8](repeating: 0, count: 16)
        if inet_pton(AF_INET, text, &bytes) == 1 { return Array(bytes[..<4]) }
        guard inet_pton(AF_INET6, text, &bytes) == 1 else { return nil }
        let isMapped = bytes[..<10].allSatisfy { $0 == 0 } && bytes[10] == 0xFF && bytes[11] == 0xFF
        return isMapped ? Array(bytes[12...]) : bytes
    }

    private static func isLoopback(_ address: [UInt8]) -> Bool {
        address.count == 4 ? address[0] == 127 : address.dropLast().allSatisfy { $0 == 0 } && address[15] == 1
    }
}

/// Whose identities these are: the part of a SPIFFE ID behind `spiffe://` (SPIFFE-ID §2.1).
public struct TrustDomain: Hashable, Sendable, CustomStringConvertible {
    /// 1 to 255 of `a-z 0-9 . - _`.
    public let description: String

    /// - Throws: `malformed-name` with the rule. Upper case is refused, not folded: two spellings must not be two domains.
    public init(_ text: String) throws(IdentityError) {
        let bytes = text.utf8
        guard (1...255).contains(bytes.count), bytes.allSatisfy(Self.isAllowed) else {
            throw IdentityError(
                .malformedName,
                "\(text.prefix(80)) is no trust domain: 1 to 255 of a-z, 0-9, '.', '-' and '_'"
            )
        }
        description = text
    }

    /// The DNS name that stands in the registry's own certificate, and in no other.
    public var registryName: String {
        "registry.\(self)"
    }

    private static func isAllowed(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "."),
            UInt8(ascii: "-"), UInt8(ascii: "_"):
            true
        default: false
        }
    }
}

public import RegistryModel

/// Who somebody is: `spiffe://<trust domain>/svc/<service>` or `spiffe://<trust domain>/user/<login>` (SPIFFE-ID §2).
public struct SPIFFEID: Hashable, Sendable, CustomStringConvertible {
    public enum Subject: Hashable, Sendable {
        case service(ServiceName)
        /// A person at a terminal.
        case user(Login)
    }

    public let trustDomain: TrustDomain
    public let subject: Subject

    public init(trustDomain: TrustDomain, subject: Subject) {
        self.trustDomain = trustDomain
        self.subject = subject
    }

    /// Takes only the two forms above, to the letter: no port, query, fragment, escape, empty or dot segment.
    ///
    /// - Throws: `malformed-name`.
    public init(_ text: String) throws(IdentityError) {
        let scheme = "spiffe://"
        guard text.hasPrefix(scheme) else { throw Self.malformed(text) }
        let parts = text.dropFirst(scheme.count).split(separator: "/", omittingEmptySubsequences: false)
        guard parts.count == 3 else { throw Self.malformed(text) }
        trustDomain = try TrustDomain(String(parts[0]))
        switch parts[1] {
        case "svc":
            do {
                subject = .service(try ServiceName(String(parts[2])))
            } catch {
                throw IdentityError(.malformedName, error.message)
            }
        case "user": subject = .user(try Login(String(parts[2])))
        default: throw Self.malformed(text)
        }
    }

    public var description: String {
        switch subject {
        case .service(let name): "spiffe://\(trustDomain)/svc/\(name)"
        case .user(let login): "spiffe://\(trustDomain)/user/\(login)"
        }
    }

    /// The certificate's common name: for people, decides nothing.
    public var commonName: String {
        switch subject {
        case .service(let name): name.description
        case .user(let login): login.description
        }
    }

    private static func malformed(_ text: String) -> IdentityError {
        IdentityError(
            .malformedName,
            "\(text.prefix(120)) is neither spiffe://DOMAIN/svc/SERVICE nor spiffe://DOMAIN/user/LOGIN"
        )
    }
}

/// A person's login on a machine.
public struct Login: Hashable, Sendable, CustomStringConvertible {
    /// 1 to 64 of `a-z A-Z 0-9 . _ -`, beginning with a letter, digit or `_`.
    public let description: String

    /// - Throws: `malformed-name`.
    public init(_ text: String) throws(IdentityError) {
        let bytes = text.utf8
        guard let first = bytes.first, bytes.count <= 64, Self.isWordByte(first),
            bytes.allSatisfy({ Self.isWordByte($0) || $0 == UInt8(ascii: ".") || $0 == UInt8(ascii: "-") })
        else { throw IdentityError(.malformedName, "\(text.prefix(80)) is no login") }
        description = text
    }

    private static func isWordByte(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"):
            true
        default: false
        }
    }
}

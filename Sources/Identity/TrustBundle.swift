public import RegistryModel
public import X509

/// The root certificates that a trust domain believes: one, or two while one hands over to the next.
public struct TrustBundle: Sendable, Equatable {
    public static let mostRoots = 8

    public let roots: [Certificate]

    /// - Throws: `malformed-certificate` where there are none, too many, or one that is no authority.
    public init(roots: [Certificate]) throws(IdentityError) {
        guard (1...Self.mostRoots).contains(roots.count) else {
            throw IdentityError(
                .malformedCertificate,
                "a trust bundle has 1 to \(Self.mostRoots) roots, not \(roots.count)"
            )
        }
        for root in roots where !root.isAuthority {
            throw IdentityError(.malformedCertificate, "\(root.subject) is no certificate authority")
        }
        self.roots = roots
    }

    public init(pem: String) throws(IdentityError) {
        try self.init(roots: try Certificate.list(pem: pem))
    }

    public var pem: String {
        get throws(IdentityError) {
            var text = ""
            for root in roots { text += try root.pem() }
            return text
        }
    }

    /// When the root that signs was made.
    public var signingRootMadeAt: Timestamp? {
        roots.first.map { Timestamp($0.notValidBefore).advanced(by: CertificateAuthority.backdating) }
    }

    /// Whether one of the roots has the key of this hash: how a join token or `--ca` pins a registry.
    public func contains(rootKeyHash hash: [UInt8]) throws(IdentityError) -> Bool {
        for root in roots where try root.publicKeyHash() == hash { return true }
        return false
    }

    /// Those of the roots whose key has this hash, and that signed themselves with it; nil where there is none.
    public func pinned(toRootKeyHash hash: [UInt8]) throws(IdentityError) -> TrustBundle? {
        var pinned: [Certificate] = []
        for root in roots where try root.publicKeyHash() == hash {
            if root.publicKey.isValidSignature(root.signature, for: root) { pinned.append(root) }
        }
        return pinned.isEmpty ? nil : try TrustBundle(roots: pinned)
    }
}

extension Certificate {
    var isAuthority: Bool {
        guard let constraints = try? extensions.basicConstraints,
            case .isCertificateAuthority = constraints
        else { return false }
        return true
    }
}

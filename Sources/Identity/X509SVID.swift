import Crypto
import Foundation
public import RegistryModel
public import X509

/// A workload's certificate with its chain (X509-SVID §2): the leaf, then the issuer that signed it.
public struct X509SVID: Sendable, Equatable {
    public let id: SPIFFEID
    public let leaf: Certificate
    public let issuer: Certificate

    init(id: SPIFFEID, leaf: Certificate, issuer: Certificate) {
        self.id = id
        self.leaf = leaf
        self.issuer = issuer
    }

    /// Reads what ``pem`` gives. Whether anybody should believe it is for the handshake and ``PeerAuthorization`` to say.
    ///
    /// - Throws: `malformed-certificate`, `malformed-name`.
    public init(pem: String) throws(IdentityError) {
        let certificates = try Certificate.list(pem: pem)
        guard certificates.count == 2 else {
            throw IdentityError(
                .malformedCertificate,
                "a leaf and its issuer are due, not \(certificates.count) certificates"
            )
        }
        self.init(
            id: try SPIFFEID(certificate: certificates[0]),
            leaf: certificates[0],
            issuer: certificates[1]
        )
    }

    /// Leaf and issuer, as TLS sends them.
    public var pem: String {
        get throws(IdentityError) { try leaf.pem() + issuer.pem() }
    }

    public var notAfter: Timestamp {
        Timestamp(leaf.notValidAfter)
    }

    /// When to renew it: a third of its life is over, which begins when it was made, not at its backdated `notBefore`.
    public var renewAfter: Timestamp {
        let issuedAt = leaf.issuedAt
        return issuedAt.advanced(by: notAfter.since(issuedAt) / 3)
    }

    /// Whether the issuer signed the leaf, and one of the roots the issuer. Dates and names are not looked at.
    public func isSigned(by bundle: TrustBundle) -> Bool {
        issuer.publicKey.isValidSignature(leaf.signature, for: leaf)
            && bundle.roots.contains { $0.publicKey.isValidSignature(issuer.signature, for: issuer) }
    }

    /// As events and `hms-reg cert` show it: lower-case hexadecimal.
    public var serial: String {
        leaf.serial
    }

    /// `sha256:…` over the leaf's DER: what an instance registers as its `tlsCert`.
    public var fingerprint: String {
        get throws(IdentityError) { try leaf.fingerprint() }
    }
}

extension SPIFFEID {
    /// The id in a certificate's subject alternative name, which must hold one URI and nothing else (X509-SVID §2, and
    /// this mesh's own rule that only the registry has a DNS name).
    ///
    /// - Throws: `malformed-certificate`, `malformed-name`.
    public init(certificate: Certificate) throws(IdentityError) {
        let names: SubjectAlternativeNames?
        do {
            names = try certificate.extensions.subjectAlternativeNames
        } catch {
            throw IdentityError(.malformedCertificate, "its subject alternative names can't be read")
        }
        guard let names, names.count == 1, case .uniformResourceIdentifier(let uri)? = names.first else {
            throw IdentityError(
                .malformedCertificate,
                "it holds \(names?.count ?? 0) subject alternative names, not the one SPIFFE ID that is due"
            )
        }
        try self.init(uri)
    }
}

extension Certificate {
    /// As events and `hms-reg cert` show it: lower-case hexadecimal.
    public var serial: String {
        hexadecimal(serialNumber.bytes)
    }

    /// `sha256:…` over the DER.
    public func fingerprint() throws(IdentityError) -> String {
        "sha256:" + hexadecimal(SHA256.hash(data: try der()))
    }

    /// When this mesh's authority made it: its `notBefore` lies ``CertificateAuthority/backdating`` before that.
    public var issuedAt: Timestamp {
        Timestamp(notValidBefore).advanced(by: CertificateAuthority.backdating)
    }

    /// The first second of its life.
    public var beginsAt: Timestamp {
        Timestamp(notValidBefore)
    }

    /// The last second of its life.
    public var endsAt: Timestamp {
        Timestamp(notValidAfter)
    }
}

import Crypto
public import RegistryModel
import SwiftASN1
public import X509

/// One root of a trust domain with the issuer that signs leaves under it: made here, or installed from elsewhere.
public struct AuthorityGeneration: Sendable {
    public let root: Certificate
    /// Nil where it is kept elsewhere: then the issuer is replaced by installing another one, and never by itself.
    let rootKey: Certificate.PrivateKey?
    public let issuer: Certificate
    let issuerKey: Certificate.PrivateKey

    /// A new root and a new issuer, on P-256.
    ///
    /// - Throws: `malformed-certificate` where a certificate can't be made.
    public init(trustDomain: TrustDomain, now: Timestamp) throws(IdentityError) {
        let key = Certificate.PrivateKey(P256.Signing.PrivateKey())
        let root = try making {
            let name = try DistinguishedName { CommonName("HMS root of \(trustDomain)") }
            return try Self.makeAuthority(
                AuthoritySubject(name: name, key: key.publicKey, pathLength: 1),
                signedBy: name,
                key,
                from: now,
                until: now.advanced(by: CertificateAuthority.rootLife),
                issuerKeyIdentifier: nil
            )
        }
        try self.init(root: root, rootKey: key, trustDomain: trustDomain, now: now)
    }

    /// A root with its key, and a new issuer on P-256.
    init(
        root: Certificate,
        rootKey: Certificate.PrivateKey,
        trustDomain: TrustDomain,
        now: Timestamp
    ) throws(IdentityError) {
        let issuerKey = Certificate.PrivateKey(P256.Signing.PrivateKey())
        let issuer = try Self.makeIssuer(trustDomain, issuerKey.publicKey, root, rootKey, now)
        self.init(root: root, rootKey: rootKey, issuer: issuer, issuerKey: issuerKey)
    }

    init(
        root: Certificate,
        rootKey: Certificate.PrivateKey?,
        issuer: Certificate,
        issuerKey: Certificate.PrivateKey
    ) {
        self.root = root
        self.rootKey = rootKey
        self.issuer = issuer
        self.issuerKey = issuerKey
    }

    /// Whether new issuers are made here as the old ones end.
    public var renewsItself: Bool {
        rootKey != nil
    }

    /// Makes a new issuer where the present one has less than ``CertificateAuthority/issuerRenewal`` left and the root's
    /// key is here.
    ///
    /// - Returns: whether it did; it must be stored then.
    mutating func renewIssuerIfDue(_ trustDomain: TrustDomain, now: Timestamp) throws(IdentityError) -> Bool {
        guard let rootKey, issuer.endsAt.since(now) < CertificateAuthority.issuerRenewal, issuer.endsAt < root.endsAt
        else { return false }
        self = try AuthorityGeneration(root: root, rootKey: rootKey, trustDomain: trustDomain, now: now)
        return true
    }

    /// This root's key under another root, so that whoever knows only that one can follow (RFC 4210 §4.4).
    ///
    /// - Returns: nil where the other root's key is not here.
    func crossSigned(by other: AuthorityGeneration, now: Timestamp) throws(IdentityError) -> Certificate? {
        guard let otherKey = other.rootKey else { return nil }
        return try making {
            let identifier = try Self.keyIdentifier(of: other.root)
            return try Self.makeAuthority(
                AuthoritySubject(name: root.subject, key: root.publicKey, pathLength: 1),
                signedBy: other.root.subject,
                otherKey,
                from: now,
                until: min(root.endsAt, other.root.endsAt),
                issuerKeyIdentifier: identifier
            )
        }
    }

    /// Never outlives its root.
    private static func makeIssuer(
        _ trustDomain: TrustDomain,
        _ key: Certificate.PublicKey,
        _ root: Certificate,
        _ rootKey: Certificate.PrivateKey,
        _ now: Timestamp
    ) throws(IdentityError) -> Certificate {
        try making {
            let name = try DistinguishedName { CommonName("HMS issuer of \(trustDomain)") }
            let rootIdentifier = try keyIdentifier(of: root)
            return try makeAuthority(
                AuthoritySubject(name: name, key: key, pathLength: 0),
                signedBy: root.subject,
                rootKey,
                from: now,
                until: min(now.advanced(by: CertificateAuthority.issuerLife), root.endsAt),
                issuerKeyIdentifier: rootIdentifier
            )
        }
    }

    private struct AuthoritySubject {
        var name: DistinguishedName
        var key: Certificate.PublicKey
        var pathLength: Int
    }

    private static func makeAuthority(
        _ subject: AuthoritySubject,
        signedBy issuer: DistinguishedName,
        _ issuerKey: Certificate.PrivateKey,
        from now: Timestamp,
        until end: Timestamp,
        issuerKeyIdentifier: ArraySlice<UInt8>?
    ) throws -> Certificate {
        try Certificate(
            version: .v3,
            serialNumber: randomSerial(),
            publicKey: subject.key,
            notValidBefore: now.advanced(by: .zero - CertificateAuthority.backdating).date,
            notValidAfter: end.date,
            issuer: issuer,
            subject: subject.name,
            extensions: Certificate.Extensions {
                Critical(BasicConstraints.isCertificateAuthority(maxPathLength: subject.pathLength))
                Critical(KeyUsage(keyCertSign: true, cRLSign: true))
                SubjectKeyIdentifier(hash: subject.key)
                if let issuerKeyIdentifier { AuthorityKeyIdentifier(keyIdentifier: issuerKeyIdentifier) }
            },
            issuerPrivateKey: issuerKey
        )
    }

    static func keyIdentifier(of authority: Certificate) throws -> ArraySlice<UInt8> {
        if let identifier = try authority.extensions.subjectKeyIdentifier { return identifier.keyIdentifier }
        return SubjectKeyIdentifier(hash: authority.publicKey).keyIdentifier
    }

    /// 128 random bits, positive (RFC 5280 §4.1.2.2).
    static func randomSerial() -> Certificate.SerialNumber {
        var bytes = (0..<16).map { _ in UInt8.random(in: 0...255) }
        bytes[0] = bytes[0] & 0x7F | 0x40
        return Certificate.SerialNumber(bytes: bytes)
    }
}

/// Runs what makes a certificate; its errors become the module's own.
func making(_ body: () throws -> Certificate) throws(IdentityError) -> Certificate {
    do {
        return try body()
    } catch let error as IdentityError {
        throw error
    } catch {
        throw IdentityError(.malformedCertificate, "a certificate can't be made: \(error)")
    }
}

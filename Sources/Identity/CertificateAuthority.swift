import Crypto
import Foundation
public import RegistryModel
import SwiftASN1
public import X509

/// A trust domain's certificate authority: a root that signs an issuer, and the issuer that signs everybody.
///
/// Not thread safe: one owner. Times are arguments; keys and serial numbers are made by the system's generator.
public struct CertificateAuthority: Sendable {
    public static let rootLife = Duration.seconds(10 * 365 * 86_400)
    public static let issuerLife = Duration.seconds(90 * 86_400)
    /// A new issuer is made when the present one has less left.
    public static let issuerRenewal = Duration.seconds(30 * 86_400)
    public static let leafLife = Duration.seconds(86_400)
    /// Certificates are valid this long before they were made, for clocks that are a little behind.
    public static let backdating = Duration.seconds(3_600)

    public let trustDomain: TrustDomain
    public let root: Certificate
    public private(set) var issuer: Certificate
    let rootKey: P256.Signing.PrivateKey
    private(set) var issuerKey: P256.Signing.PrivateKey

    /// Makes a new authority.
    ///
    /// - Throws: `malformed-certificate` where a certificate can't be made.
    public init(trustDomain: TrustDomain, now: Timestamp) throws(IdentityError) {
        self.trustDomain = trustDomain
        rootKey = P256.Signing.PrivateKey()
        issuerKey = P256.Signing.PrivateKey()
        root = try Self.makeRoot(trustDomain, rootKey, now)
        issuer = try Self.makeIssuer(trustDomain, issuerKey, root, rootKey, now)
    }

    init(
        trustDomain: TrustDomain,
        root: Certificate,
        rootKey: P256.Signing.PrivateKey,
        issuer: Certificate,
        issuerKey: P256.Signing.PrivateKey
    ) {
        self.trustDomain = trustDomain
        self.root = root
        self.rootKey = rootKey
        self.issuer = issuer
        self.issuerKey = issuerKey
    }

    public var bundle: TrustBundle {
        get throws(IdentityError) { try TrustBundle(roots: [root]) }
    }

    // MARK: Issuing

    /// A workload's certificate. Only the key is the workload's word.
    ///
    /// - Throws: `authority-expired` where the issuer's time is over.
    public func issue(
        _ id: SPIFFEID,
        for publicKey: Certificate.PublicKey,
        now: Timestamp,
        life: Duration = leafLife
    ) throws(IdentityError) -> X509SVID {
        let leaf = try issueLeaf(
            commonName: id.commonName,
            names: [.uniformResourceIdentifier(id.description)],
            usages: [.serverAuth, .clientAuth],
            publicKey,
            now,
            life
        )
        return X509SVID(id: id, leaf: leaf, issuer: issuer)
    }

    /// The registry's own certificate, the only one with DNS names: `registry.<trust domain>` and what operators add.
    public func issueRegistry(
        additionalNames: [String] = [],
        for publicKey: Certificate.PublicKey,
        now: Timestamp,
        life: Duration = leafLife
    ) throws(IdentityError) -> Certificate {
        let names = [trustDomain.registryName] + additionalNames
        return try issueLeaf(
            commonName: trustDomain.registryName,
            names: names.map { .dnsName($0) },
            usages: [.serverAuth],
            publicKey,
            now,
            life
        )
    }

    /// Makes a new issuer when the present one is near its end.
    ///
    /// - Returns: whether it did; it must be stored then.
    public mutating func renewIssuerIfDue(now: Timestamp) throws(IdentityError) -> Bool {
        guard Timestamp(issuer.notValidAfter).since(now) < Self.issuerRenewal else { return false }
        let key = P256.Signing.PrivateKey()
        issuer = try Self.makeIssuer(trustDomain, key, root, rootKey, now)
        issuerKey = key
        return true
    }

    private func issueLeaf(
        commonName: String,
        names: [GeneralName],
        usages: [ExtendedKeyUsage.Usage],
        _ publicKey: Certificate.PublicKey,
        _ now: Timestamp,
        _ life: Duration
    ) throws(IdentityError) -> Certificate {
        let end = min(now.advanced(by: life).date, issuer.notValidAfter)
        guard end > now.date else {
            throw IdentityError(
                .authorityExpired,
                "the issuer's certificate ended at \(Timestamp(issuer.notValidAfter))"
            )
        }
        return try making {
            try Certificate(
                version: .v3,
                serialNumber: Self.randomSerial(),
                publicKey: publicKey,
                notValidBefore: now.advanced(by: .zero - Self.backdating).date,
                notValidAfter: end,
                issuer: issuer.subject,
                subject: DistinguishedName { CommonName(commonName) },
                signatureAlgorithm: .ecdsaWithSHA256,
                extensions: Certificate.Extensions {
                    Critical(BasicConstraints.notCertificateAuthority)
                    Critical(KeyUsage(digitalSignature: true))
                    try ExtendedKeyUsage(usages)
                    SubjectAlternativeNames(names)
                    AuthorityKeyIdentifier(keyIdentifier: try Self.keyIdentifier(of: issuer))
                },
                issuerPrivateKey: Certificate.PrivateKey(issuerKey)
            )
        }
    }

    // MARK: Authorities

    private static func makeRoot(
        _ trustDomain: TrustDomain,
        _ key: P256.Signing.PrivateKey,
        _ now: Timestamp
    ) throws(IdentityError) -> Certificate {
        try making {
            let name = try DistinguishedName { CommonName("HMS root of \(trustDomain)") }
            return try makeAuthority(name, key, name, key, pathLength: 1, now, rootLife, issuerKeyIdentifier: nil)
        }
    }

    private static func makeIssuer(
        _ trustDomain: TrustDomain,
        _ key: P256.Signing.PrivateKey,
        _ root: Certificate,
        _ rootKey: P256.Signing.PrivateKey,
        _ now: Timestamp
    ) throws(IdentityError) -> Certificate {
        try making {
            let name = try DistinguishedName { CommonName("HMS issuer of \(trustDomain)") }
            let rootIdentifier = try keyIdentifier(of: root)
            return try makeAuthority(
                name,
                key,
                root.subject,
                rootKey,
                pathLength: 0,
                now,
                issuerLife,
                issuerKeyIdentifier: rootIdentifier
            )
        }
    }

    private static func makeAuthority(
        _ subject: DistinguishedName,
        _ key: P256.Signing.PrivateKey,
        _ issuer: DistinguishedName,
        _ issuerKey: P256.Signing.PrivateKey,
        pathLength: Int,
        _ now: Timestamp,
        _ life: Duration,
        issuerKeyIdentifier: ArraySlice<UInt8>?
    ) throws -> Certificate {
        let publicKey = Certificate.PublicKey(key.publicKey)
        return try Certificate(
            version: .v3,
            serialNumber: randomSerial(),
            publicKey: publicKey,
            notValidBefore: now.advanced(by: .zero - backdating).date,
            notValidAfter: now.advanced(by: life).date,
            issuer: issuer,
            subject: subject,
            signatureAlgorithm: .ecdsaWithSHA256,
            extensions: Certificate.Extensions {
                Critical(BasicConstraints.isCertificateAuthority(maxPathLength: pathLength))
                Critical(KeyUsage(keyCertSign: true, cRLSign: true))
                SubjectKeyIdentifier(hash: publicKey)
                if let issuerKeyIdentifier { AuthorityKeyIdentifier(keyIdentifier: issuerKeyIdentifier) }
            },
            issuerPrivateKey: Certificate.PrivateKey(issuerKey)
        )
    }

    private static func keyIdentifier(of authority: Certificate) throws -> ArraySlice<UInt8> {
        if let identifier = try authority.extensions.subjectKeyIdentifier { return identifier.keyIdentifier }
        return SubjectKeyIdentifier(hash: authority.publicKey).keyIdentifier
    }

    /// 128 random bits, positive (RFC 5280 §4.1.2.2).
    private static func randomSerial() -> Certificate.SerialNumber {
        var bytes = (0..<16).map { _ in UInt8.random(in: 0...255) }
        bytes[0] = bytes[0] & 0x7F | 0x40
        return Certificate.SerialNumber(bytes: bytes)
    }
}

/// Runs what makes a certificate; its errors become the module's own.
private func making(_ body: () throws -> Certificate) throws(IdentityError) -> Certificate {
    do {
        return try body()
    } catch let error as IdentityError {
        throw error
    } catch {
        throw IdentityError(.malformedCertificate, "a certificate can't be made: \(error)")
    }
}

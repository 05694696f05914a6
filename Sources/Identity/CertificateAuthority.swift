import Foundation
public import RegistryModel
import SwiftASN1
public import X509

/// A trust domain's certificate authority: a root that signs an issuer, and the issuer that signs everybody; while one root
/// hands over to the next, two of both.
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
    /// Whose issuer signs now.
    public internal(set) var active: AuthorityGeneration
    /// What changes hands, while it does.
    public internal(set) var rotation: AuthorityRotation?
    /// The roots that signed before, the last one first, as long as somebody who knows no other may come back.
    public internal(set) var formerRoots: [FormerRoot] = []
    /// What changed and is not on record yet: kept with the change itself, so that a crash between the two loses neither.
    public internal(set) var unrecorded: [AuthorityChange] = []

    /// Makes a new authority.
    ///
    /// - Throws: `malformed-certificate` where a certificate can't be made.
    public init(trustDomain: TrustDomain, now: Timestamp) throws(IdentityError) {
        self.init(trustDomain: trustDomain, active: try AuthorityGeneration(trustDomain: trustDomain, now: now))
    }

    init(trustDomain: TrustDomain, active: AuthorityGeneration, rotation: AuthorityRotation? = nil) {
        self.trustDomain = trustDomain
        self.active = active
        self.rotation = rotation
    }

    public var root: Certificate { active.root }
    public var issuer: Certificate { active.issuer }

    /// The root that signs first: a reader sees by the order whether its certificate is of the present issuer.
    public var bundle: TrustBundle {
        get throws(IdentityError) { try TrustBundle(roots: [root] + (rotation.map { [$0.other.root] } ?? [])) }
    }

    /// What the registry's door sends behind its leaf: the issuer, and each root under the one before it, for whoever was
    /// told of an old one alone.
    public var chain: [Certificate] {
        let latest = rotation.flatMap { $0.phase == .retiring ? $0.crossCertificate : nil }
        return [issuer] + (latest.map { [$0] } ?? []) + formerRoots.map(\.crossCertificate)
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
        guard try active.renewIssuerIfDue(trustDomain, now: now) else { return false }
        try note(.issuerReplaced, now: now)
        return true
    }

    // MARK: What is to be on record

    /// - Parameter other: the root that is to sign, or that signed before.
    mutating func note(
        _ kind: AuthorityChange.Kind,
        other: Certificate? = nil,
        now: Timestamp
    ) throws(IdentityError) {
        unrecorded.append(
            AuthorityChange(
                kind,
                rootKeyHash: try root.publicKeyHash(),
                issuerKeyHash: try issuer.publicKeyHash(),
                otherRootKeyHash: try other?.publicKeyHash() ?? [],
                at: now
            )
        )
    }

    /// It is on record: it must be stored then.
    public mutating func noteRecorded(_ change: AuthorityChange) {
        unrecorded.removeAll { $0 == change }
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
                serialNumber: AuthorityGeneration.randomSerial(),
                publicKey: publicKey,
                notValidBefore: now.advanced(by: .zero - Self.backdating).date,
                notValidAfter: end,
                issuer: issuer.subject,
                subject: DistinguishedName { CommonName(commonName) },
                extensions: Certificate.Extensions {
                    Critical(BasicConstraints.notCertificateAuthority)
                    Critical(KeyUsage(digitalSignature: true))
                    try ExtendedKeyUsage(usages)
                    SubjectAlternativeNames(names)
                    AuthorityKeyIdentifier(keyIdentifier: try AuthorityGeneration.keyIdentifier(of: issuer))
                },
                issuerPrivateKey: active.issuerKey
            )
        }
    }
}

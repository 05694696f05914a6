import Foundation
public import RegistryModel
import SwiftASN1
import X509

extension CertificateAuthority {
    /// Takes an authority from elsewhere: PEM of a root with its key, or of an intermediate with its key and the root that
    /// signed it. A new root is handed over to as by ``beginRotation(to:now:)``; another issuer under the present root signs
    /// at once.
    ///
    /// - Throws: `unfit-authority`, with what is wrong; `rotation-under-way`.
    public mutating func install(pem: String, now: Timestamp) throws(IdentityError) {
        let next = try Self.generation(pem, trustDomain, now: now)
        if next.root.publicKey == root.publicKey {
            guard rotation == nil else {
                throw IdentityError(.rotationUnderWay, "a rotation is under way: install once it is over")
            }
            active = AuthorityGeneration(
                root: root,
                rootKey: next.rootKey ?? active.rootKey,
                issuer: next.issuer,
                issuerKey: next.issuerKey
            )
            try note(.issuerReplaced, now: now)
        } else {
            try beginRotation(to: next, now: now)
        }
    }

    private static func generation(
        _ pem: String,
        _ trustDomain: TrustDomain,
        now: Timestamp
    ) throws(IdentityError) -> AuthorityGeneration {
        let (certificates, key) = try parts(of: pem)
        for certificate in certificates { try check(certificate, now: now) }
        guard let root = certificates.first(where: { $0.isSelfSigned }) else {
            throw unfit("the chain is incomplete: no root is among them, a certificate that signed itself")
        }
        if let length = root.pathLength, length < 1 {
            throw unfit(
                "\(root.subject) allows no issuer below it (path length \(length)): a root with a path length of at least 1, or none, is due"
            )
        }
        let others = certificates.filter { $0 != root }
        guard let issuer = others.first else {
            guard key.publicKey == root.publicKey else { throw unfit(Self.foreignKey(root)) }
            return try AuthorityGeneration(root: root, rootKey: key, trustDomain: trustDomain, now: now)
        }
        guard others.count == 1 else {
            throw unfit("a root and at most one intermediate are due, not \(certificates.count) certificates")
        }
        guard issuer.issuer == root.subject, root.publicKey.isValidSignature(issuer.signature, for: issuer) else {
            throw unfit("the chain is incomplete: \(issuer.subject) is not signed by \(root.subject)")
        }
        guard key.publicKey == issuer.publicKey else { throw unfit(Self.foreignKey(issuer)) }
        return AuthorityGeneration(root: root, rootKey: nil, issuer: issuer, issuerKey: key)
    }

    private static func parts(of pem: String) throws(IdentityError) -> ([Certificate], Certificate.PrivateKey) {
        guard pem.utf8.count <= 64 * 1_024 else { throw unfit("over 64 KiB of certificates and keys") }
        // PKCS #8 says so in its name, OpenSSL's older form in a header (RFC 1421).
        guard !pem.contains("BEGIN ENCRYPTED PRIVATE KEY"), !pem.contains("Proc-Type: 4,ENCRYPTED") else {
            throw unfit(
                "the key is encrypted: openssl pkey -in KEY -out PLAIN asks for its passphrase and writes it plain"
            )
        }
        let documents: [PEMDocument]
        do {
            documents = try PEMDocument.parseMultiple(pemString: pem)
        } catch {
            throw unfit("this is not PEM")
        }
        var certificates: [Certificate] = []
        var keys: [Certificate.PrivateKey] = []
        for document in documents {
            if document.discriminator == "CERTIFICATE" {
                certificates.append(try Certificate(der: document.derBytes))
            } else if document.discriminator.hasSuffix("PRIVATE KEY") {
                guard let key = try? Certificate.PrivateKey(pemDocument: document) else {
                    throw unfit("the key is of no kind that is known here: ECDSA, RSA or Ed25519 is due")
                }
                keys.append(key)
            }
        }
        guard keys.count == 1 else { throw unfit("one private key is due, and there are \(keys.count)") }
        guard !certificates.isEmpty else { throw unfit("there is no certificate beside the key") }
        return (certificates, keys[0])
    }

    private static func check(_ certificate: Certificate, now: Timestamp) throws(IdentityError) {
        guard certificate.isAuthority else { throw unfit("\(certificate.subject) is no certificate authority") }
        if let usage = try? certificate.extensions.keyUsage, !usage.keyCertSign {
            throw unfit("\(certificate.subject) may not sign certificates (key usage)")
        }
        guard certificate.endsAt > now else {
            throw unfit("\(certificate.subject) ended at \(certificate.endsAt): one that is valid is due")
        }
        guard Timestamp(certificate.notValidBefore) <= now else {
            throw unfit("\(certificate.subject) is not valid before \(Timestamp(certificate.notValidBefore))")
        }
    }

    private static func foreignKey(_ certificate: Certificate) -> String {
        "the key is not that of \(certificate.subject): the key that belongs to it is due"
    }

    private static func unfit(_ why: String) -> IdentityError {
        IdentityError(.unfitAuthority, why)
    }
}

extension Certificate {
    fileprivate var isSelfSigned: Bool {
        issuer == subject && publicKey.isValidSignature(signature, for: self)
    }

    /// Nil: any.
    fileprivate var pathLength: Int? {
        guard case .isCertificateAuthority(let length)? = try? extensions.basicConstraints else { return nil }
        return length
    }
}

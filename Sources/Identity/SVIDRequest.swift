import Crypto
import SwiftASN1
public import X509

/// A request for a certificate (PKCS #10, RFC 2986), reduced to what the authority takes of it: the public key, proven by
/// the request's own signature. Names, usages and everything else that it asks for are passed over.
public struct SVIDRequest: Sendable {
    public let publicKey: Certificate.PublicKey
    /// SHA-256 of the SubjectPublicKeyInfo: the key's lineage begins with it.
    public let keyHash: [UInt8]

    private static let mostBytes = 16 * 1_024

    /// - Throws: `bad-request` where the text is no PEM of a request, its signature is not its key's, or its key is not
    ///   P-256.
    public init(pem: String) throws(IdentityError) {
        guard pem.utf8.count <= Self.mostBytes else {
            throw IdentityError(.badRequest, "a certificate signing request of over 16 KiB")
        }
        let request: CertificateSigningRequest
        do {
            request = try CertificateSigningRequest(pemEncoded: pem)
        } catch {
            throw IdentityError(.badRequest, "this is not PEM of a certificate signing request")
        }
        guard P256.Signing.PublicKey(request.publicKey) != nil else {
            throw IdentityError(.badRequest, "the request's key is not an ECDSA key on P-256")
        }
        guard request.publicKey.isValidSignature(request.signature, for: request) else {
            throw IdentityError(.badRequest, "the request is not signed by the key that it is for")
        }
        publicKey = request.publicKey
        keyHash = try request.publicKey.spkiHash()
    }

    /// Makes a request: it names nothing but the key.
    ///
    /// - Throws: `bad-request` where the key can't sign.
    public static func pem(signedBy key: WorkloadKey) throws(IdentityError) -> String {
        do {
            let request = try CertificateSigningRequest(
                version: .v1,
                subject: DistinguishedName(),
                privateKey: key.certificateKey,
                attributes: CertificateSigningRequest.Attributes(),
                signatureAlgorithm: .ecdsaWithSHA256
            )
            return try request.serializeAsPEM().pemString + "\n"
        } catch {
            throw IdentityError(.badRequest, "a certificate signing request can't be made: \(error)")
        }
    }
}

/// A workload's own key, on P-256. It never leaves the machine that made it.
public struct WorkloadKey: Sendable {
    private let key: P256.Signing.PrivateKey

    /// A new one.
    public init() {
        key = P256.Signing.PrivateKey()
    }

    /// - Throws: `malformed-certificate` where the text is no PEM of such a key.
    public init(pem: String) throws(IdentityError) {
        do {
            key = try P256.Signing.PrivateKey(pemRepresentation: pem)
        } catch {
            throw IdentityError(.malformedCertificate, "this is not PEM of a P-256 private key")
        }
    }

    /// For a file of mode 0600, and nowhere else.
    public var pem: String {
        key.pemRepresentation + "\n"
    }

    public var publicKey: Certificate.PublicKey {
        Certificate.PublicKey(key.publicKey)
    }

    var certificateKey: Certificate.PrivateKey {
        Certificate.PrivateKey(key)
    }
}

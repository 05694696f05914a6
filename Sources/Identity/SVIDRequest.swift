import Crypto
import SwiftASN1
public import X509

/// A request for a certificate (PKCS #10, RFC 2986), reduced to what the authority takes of it: the public key, proven by
/// the request's own signature. Its subject and usages are passed over; asking to be an authority, or for another name than
/// one gets, is refused.
public struct SVIDRequest: Sendable {
    public let publicKey: Certificate.PublicKey
    /// SHA-256 of the SubjectPublicKeyInfo: the key's lineage begins with it.
    public let keyHash: [UInt8]

    private let askedNames: [GeneralName]

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
        let asked: Certificate.Extensions?
        do {
            asked = try request.attributes.extensionRequest?.extensions
        } catch {
            throw IdentityError(.badRequest, "what the request asks for can't be read")
        }
        try self.init(request.publicKey, asking: asked)
    }

    private init(
        _ publicKey: Certificate.PublicKey,
        asking extensions: Certificate.Extensions?
    ) throws(IdentityError) {
        self.publicKey = publicKey
        keyHash = try publicKey.spkiHash()
        if case .isCertificateAuthority? = try? extensions?.basicConstraints {
            throw IdentityError(.badRequest, "the request asks to be a certificate authority: nobody is made one here")
        }
        askedNames = (try? extensions?.subjectAlternativeNames).map { Array($0) } ?? []
    }

    /// Names are not taken from a request; one that asks for others than it gets is refused, so that nobody is surprised.
    ///
    /// - Throws: `bad-request`.
    public func check(askedNamesAgainst id: SPIFFEID) throws(IdentityError) {
        for name in askedNames where name != .uniformResourceIdentifier(id.description) {
            throw IdentityError(.badRequest, "the request asks for the name \(name), and would get \(id) alone")
        }
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

    /// Proof of the key for a request that follows a lapsed certificate.
    ///
    /// - Returns: DER of an ECDSA signature over SHA-256.
    public func proof(ofRejoiningBy request: String) throws(IdentityError) -> [UInt8] {
        do {
            return Array(try key.signature(for: RejoinProof.message(request)).derRepresentation)
        } catch {
            throw IdentityError(.malformedCertificate, "the key can't sign: \(error)")
        }
    }

    var certificateKey: Certificate.PrivateKey {
        Certificate.PrivateKey(key)
    }
}

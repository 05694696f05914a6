public import RegistryModel
public import X509

/// What people want to know of a certificate.
public struct CertificateSummary: Sendable, Equatable {
    public let subject: String
    /// `sha256:…` of the SubjectPublicKeyInfo: what pins it.
    public let keyHash: String
    public let notAfter: Timestamp

    public init(_ certificate: Certificate) throws(IdentityError) {
        subject = certificate.subject.description
        keyHash = "sha256:" + hexadecimal(try certificate.publicKeyHash())
        notAfter = Timestamp(certificate.notValidAfter)
    }
}

/// A certificate that the registry's authority issued: what is on record of it. The certificate itself is nowhere kept.
public struct CertificateRecord: Sendable, Equatable {
    /// Lower-case hexadecimal.
    public var serial: String
    /// `spiffe://<trust domain>/svc/<service>` or `…/user/<login>`, checked at the door.
    public var spiffeID: String
    /// SHA-256 of the SubjectPublicKeyInfo.
    public var keyHash: [UInt8]
    /// Hash of the first key of which this one is a renewal; its own where it is the first.
    public var lineage: [UInt8]
    public var notAfter: Timestamp

    public init(serial: String, spiffeID: String, keyHash: [UInt8], lineage: [UInt8], notAfter: Timestamp) {
        self.serial = serial
        self.spiffeID = spiffeID
        self.keyHash = keyHash
        self.lineage = lineage
        self.notAfter = notAfter
    }
}

/// What is not to be believed any more, although its time is not over.
public struct Revocation: Sendable, Equatable {
    public enum Subject: Sendable, Hashable {
        /// One certificate.
        case serial(String)
        /// Every certificate of a service that was issued before ``Revocation/before``.
        case service(ServiceName)
    }

    public var subject: Subject
    /// Of a service: certificates issued earlier. Of one certificate: when it was revoked.
    public var before: Timestamp
    /// When the last certificate that it covers ends of itself: it can be forgotten then.
    public var until: Timestamp

    public init(subject: Subject, before: Timestamp, until: Timestamp) {
        self.subject = subject
        self.before = before
        self.until = until
    }
}

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
    /// Of a person: the part in running the registry. It stands on record alone, not in the certificate.
    public var role: PersonRole?
    public var grounds = Grounds.operatorsAct
    /// Serial number of the certificate that it follows; empty for a first one.
    public var previous = ""
    /// It has been followed, by a renewal or by proof of its key after its end: nobody rejoins by it any more.
    public var isSpent = false

    /// Why it was issued.
    public enum Grounds: UInt8, Sendable {
        case operatorsAct = 0
        case token = 1
        /// By the valid certificate that it follows.
        case renewal = 2
        /// By proof of the key of the lapsed certificate that it follows.
        case rejoin = 3
    }

    public init(serial: String, spiffeID: String, keyHash: [UInt8], lineage: [UInt8], notAfter: Timestamp) {
        self.serial = serial
        self.spiffeID = spiffeID
        self.keyHash = keyHash
        self.lineage = lineage
        self.notAfter = notAfter
    }
}

/// What a person may be to the registry.
public enum PersonRole: UInt8, Sendable, CaseIterable, CustomStringConvertible {
    /// Reads everything, changes nothing.
    case auditor = 1
    case `operator` = 2

    public init?(_ text: some StringProtocol) {
        guard let role = Self.allCases.first(where: { $0.description == text }) else { return nil }
        self = role
    }

    public var description: String {
        switch self {
        case .auditor: "auditor"
        case .operator: "operator"
        }
    }
}

/// A join token: what is on record of it. The secret is nowhere kept.
public struct TokenRecord: Sendable, Equatable {
    /// What the certificate is for that it gets.
    public enum Subject: Sendable, Equatable {
        case service(ServiceName)
        /// A person, who chooses the login.
        case person(PersonRole)
    }

    /// SHA-256 of the secret.
    public var hash: [UInt8]
    public var subject: Subject
    /// How often it may be used, and was.
    public var uses: UInt32
    public var used: UInt32 = 0
    public var expires: Timestamp
    /// Its user must be inside; empty: anywhere.
    public var from: String
    public var isRevoked = false

    public init(hash: [UInt8], subject: Subject, uses: UInt32, expires: Timestamp, from: String = "") {
        self.hash = hash
        self.subject = subject
        self.uses = uses
        self.expires = expires
        self.from = from
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

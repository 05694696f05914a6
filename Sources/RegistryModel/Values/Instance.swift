/// One running copy of a service, as it registered itself.
public struct Instance: Sendable, Equatable {
    /// How long an instance may be silent.
    public enum Lease: Sendable, Equatable {
        /// The service's policy, else the registry's own ttl.
        case inherited
        /// Milliseconds, 1,000 to 86,400,000.
        case ttl(milliseconds: UInt64)
        /// Never expires by silence: a static registration.
        case permanent
    }

    public var key: InstanceKey
    public var endpoint: Endpoint
    /// Where the application itself listens, when that is not what callers dial.
    public var appPort: UInt16?
    public var version = ""
    public var zone = ""
    public var tags: [String] = []
    /// In order of keys, each key once.
    public var metadata: [MetadataEntry] = []
    /// Relative share of requests; 0 is never picked.
    public var weight: UInt32 = Self.defaultWeight
    /// What the application speaks: `http1`, `h2c`; empty: `http1`.
    public var applicationProtocol = ""
    public var lease = Lease.inherited
    /// Routes (`POST /validate`) that may be sent twice.
    public var repeatable: [String] = []
    /// The key of the first CSR and its renewals; empty without a certificate.
    public var keyLineage = ""
    /// `sha256:…` of the certificate in use.
    public var tlsCert = ""
    /// Random per start of the process; a change is a new incarnation.
    public var startID = ""
    /// Set for an external service: where it is, and what the registry probes.
    public var externalURL: String?

    public static let defaultWeight: UInt32 = 100

    public init(key: InstanceKey, endpoint: Endpoint) {
        self.key = key
        self.endpoint = endpoint
    }

    /// Whether `other` is the same running process at the same place: what a handle stands for.
    public func isSameIncarnation(as other: Instance) -> Bool {
        endpoint == other.endpoint && appPort == other.appPort && keyLineage == other.keyLineage
            && startID == other.startID && externalURL == other.externalURL
    }
}

extension Instance {
    /// The key of ``metadata`` that says where scrapers find the instance's metrics, `host:port`.
    public static let metricsKey = "hms-metrics"

    public var metricsAddress: String? {
        metadata.first { $0.key == Self.metricsKey }?.value
    }
}

/// One key and value of an instance's metadata.
public struct MetadataEntry: Sendable, Equatable {
    public var key: String
    public var value: String

    public init(key: String, value: String) {
        self.key = key
        self.value = value
    }
}

/// What the registry knows of an instance beside what it registered: everything that changes while it lives.
public struct InstanceState: Sendable, Equatable {
    public var handle: InstanceHandle
    public var health: Health
    public var cause: TransitionCause
    /// At most 256 bytes: the probe's words.
    public var detail: String
    /// When it came to its present health.
    public var since: Timestamp
    public var registeredAt: Timestamp
    /// The last event that changed anything about it.
    public var modified: SequenceNumber

    public init(
        handle: InstanceHandle,
        health: Health,
        cause: TransitionCause,
        detail: String = "",
        since: Timestamp,
        registeredAt: Timestamp,
        modified: SequenceNumber
    ) {
        self.handle = handle
        self.health = health
        self.cause = cause
        self.detail = detail
        self.since = since
        self.registeredAt = registeredAt
        self.modified = modified
    }
}

/// A service's own row: what is true of it beyond its instances.
public struct ServiceRecord: Sendable, Equatable {
    public var name: ServiceName
    public var policy: MeshPolicy?
    /// Instances by health.
    public var counts: HealthCounts
    /// Versions of its instances, in order, with how many have each.
    public var versions: [VersionCount]
    /// The last event that changed anything about it or its instances.
    public var modified: SequenceNumber
    public var changedAt: Timestamp
    /// Whether it is external: one instance, elsewhere, that the registry probes.
    public var isExternal: Bool

    public init(name: ServiceName) {
        self.name = name
        self.policy = nil
        self.counts = HealthCounts()
        self.versions = []
        self.modified = .none
        self.changedAt = Timestamp(rawValue: 0)
        self.isExternal = false
    }
}

public struct VersionCount: Sendable, Equatable {
    public var version: String
    public var count: UInt32

    public init(version: String, count: UInt32) {
        self.version = version
        self.count = count
    }
}

/// Instances by health.
public struct HealthCounts: Sendable, Equatable {
    private var storage: (UInt32, UInt32, UInt32, UInt32, UInt32) = (0, 0, 0, 0, 0)

    public init() {}

    public subscript(health: Health) -> UInt32 {
        get {
            switch health {
            case .starting: storage.0
            case .healthy: storage.1
            case .degraded: storage.2
            case .unhealthy: storage.3
            case .draining: storage.4
            }
        }
        set {
            switch health {
            case .starting: storage.0 = newValue
            case .healthy: storage.1 = newValue
            case .degraded: storage.2 = newValue
            case .unhealthy: storage.3 = newValue
            case .draining: storage.4 = newValue
            }
        }
    }

    public var total: UInt64 {
        Health.allCases.reduce(0) { $0 + UInt64(self[$1]) }
    }

    public static func == (lhs: HealthCounts, rhs: HealthCounts) -> Bool {
        lhs.storage == rhs.storage
    }

    public static func += (lhs: inout HealthCounts, rhs: HealthCounts) {
        for health in Health.allCases { lhs[health] &+= rhs[health] }
    }
}

/// State of the registry as a whole.
public struct RegistryRecord: Sendable, Equatable {
    /// Set while the mass expiry guard holds expiries back.
    public var protection: Protection?
    /// The last event at which rows of empty services were forgotten: whoever watches all services and was last heard
    /// of before it can't be told by what is left, and starts anew.
    public var servicesForgotten: SequenceNumber

    public struct Protection: Sendable, Equatable {
        public var since: Timestamp
        public var report: ProtectionReport
        /// An operator asked for it; only an operator ends it.
        public var isHeld: Bool

        public init(since: Timestamp, report: ProtectionReport, isHeld: Bool) {
            self.since = since
            self.report = report
            self.isHeld = isHeld
        }
    }

    public init(protection: Protection? = nil, servicesForgotten: SequenceNumber = .none) {
        self.protection = protection
        self.servicesForgotten = servicesForgotten
    }
}

/// Where ``Projection`` keeps what events add up to: LMDB in the daemon, memory in a replay.
///
/// To the implementer: reads see every write made before through the same value. `put` replaces. Removing what is not
/// there does nothing. A store need not keep anything but the rows: counts and derived fields are the projection's.
public protocol RecordStore {
    associatedtype Failure: Error

    /// The instance's changing part, nil where it is not registered.
    func state(of key: InstanceKey) throws(Failure) -> InstanceState?
    /// What it registered.
    func instance(_ key: InstanceKey) throws(Failure) -> Instance?
    /// The version of what it registered.
    func version(of key: InstanceKey) throws(Failure) -> String?
    mutating func put(_ instance: Instance, _ state: InstanceState) throws(Failure)
    /// Replaces the changing part only. The instance is there.
    mutating func update(_ key: InstanceKey, _ state: InstanceState) throws(Failure)
    mutating func remove(_ key: InstanceKey) throws(Failure)
    /// The ids of a service's instances, in order.
    func instanceIDs(of service: ServiceName) throws(Failure) -> [InstanceID]

    func service(_ name: ServiceName) throws(Failure) -> ServiceRecord?
    mutating func put(_ service: ServiceRecord) throws(Failure)
    mutating func removeService(_ name: ServiceName) throws(Failure)
    /// Services without instances or policy that have not changed since `time`.
    func emptyServices(unchangedSince time: Timestamp) throws(Failure) -> [ServiceName]

    /// By serial number.
    func certificate(_ serial: String) throws(Failure) -> CertificateRecord?
    mutating func put(_ certificate: CertificateRecord) throws(Failure)
    /// All that go back to one first key, in order of serial numbers.
    func certificates(ofLineage lineage: [UInt8]) throws(Failure) -> [CertificateRecord]
    func revocation(_ subject: Revocation.Subject) throws(Failure) -> Revocation?
    mutating func put(_ revocation: Revocation) throws(Failure)
    /// By the hash of its secret.
    func token(_ hash: [UInt8]) throws(Failure) -> TokenRecord?
    mutating func put(_ token: TokenRecord) throws(Failure)
    func tokenCount() throws(Failure) -> Int
    /// Forgets certificates, revocations and tokens that ended before `time`.
    mutating func removeLapsedIdentities(before time: Timestamp) throws(Failure)

    func registry() throws(Failure) -> RegistryRecord
    mutating func put(_ registry: RegistryRecord) throws(Failure)
}

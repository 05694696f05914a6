public import RegistryModel

/// The registry's condition, as `GET /v1/status` tells it. Keys that this version does not know are passed over.
public struct RegistryStatusReport: Sendable, Equatable {
    public struct ShardReport: Sendable, Equatable {
        public var shard: UInt64 = 0
        public var slots: UInt64 = 0
        public var instances: UInt64 = 0
        public var viewBytes: UInt64 = 0
        public var behindMilliseconds: UInt64 = 0
    }

    /// The certificate authority's keys.
    public struct KeysReport: Sendable, Equatable {
        public struct Backup: Sendable, Equatable {
            public var madeAt = Timestamp(rawValue: 0)
            /// False once another root signs than when it was made.
            public var isOfPresentRoot = true
        }

        public var rootNotAfter = Timestamp(rawValue: 0)
        /// nil: none was ever made.
        public var lastBackup: Backup?
    }

    /// How the signing of the log goes.
    public struct CheckpointReport: Sendable, Equatable {
        /// Signed through this event.
        public var sequence = SequenceNumber.none
        public var signedAt: Timestamp?
        /// Nothing has happened since.
        public var isCurrent = true
        public var everyMilliseconds: UInt64 = 0
        /// Why the last try failed.
        public var failure: String?
    }

    public struct SnapshotsReport: Sendable, Equatable {
        /// When the last was taken, and its file; nil where none is known.
        public var takenAt: Timestamp?
        public var file = ""
        /// In the registry's directory for them.
        public var kept: UInt64 = 0
        /// nil: only when somebody asks.
        public var everyMilliseconds: UInt64?
        public var nextAt: Timestamp?
        /// Why the last one by schedule could not be taken.
        public var failure: String?
    }

    public var version = ""
    /// Empty where the registry does not say.
    public var trustDomain = ""
    public var registry = ""
    public var state = ""
    /// Its most public door, `host:port`; empty where it has only sockets.
    public var address = ""
    public var dataDirectory = ""
    public var uptimeMilliseconds: UInt64 = 0
    public var sequence = SequenceNumber.none
    /// By the registry's clock; nil where it does not say.
    public var time: Timestamp?
    public var services: UInt64 = 0
    public var health = HealthCounts()
    public var heartbeatsPerSecond = 0.0
    public var eventsPerSecond = 0.0
    public var lookupsPerSecond = 0.0
    public var lookupP99Milliseconds = 0.0
    public var fsyncP99Milliseconds = 0.0
    public var queue: UInt64 = 0
    public var subscribers: UInt64 = 0
    public var slowestSubscriberMilliseconds: UInt64 = 0
    public var logBytes: UInt64 = 0
    public var beatsBytes: UInt64 = 0
    public var diskUsedFraction = 0.0
    public var diskFreeBytes: UInt64 = 0
    public var isDiskFull = false
    /// nil where it does not fill.
    public var diskFullInMilliseconds: UInt64?
    public var guardReport = GuardReport()
    public var ttlMilliseconds: UInt64 = 0
    public var deregisterAfterMilliseconds: UInt64 = 0
    public var shards: [ShardReport] = []
    /// nil where the registry does not say.
    public var keys: KeysReport?
    /// nil where the log is not signed, or the registry does not say.
    public var checkpoint: CheckpointReport?
    /// nil where the registry does not say.
    public var snapshots: SnapshotsReport?

    public init(from json: inout JSONReader) throws(RegistryModelError) {
        var read = Self()
        try json.object { (json, name) throws(RegistryModelError) in
            if try !read.readRate(name, from: &json) { try read.readMember(name, from: &json) }
        }
        self = read
    }

    private init() {}

    private mutating func readMember(_ name: String, from json: inout JSONReader) throws(RegistryModelError) {
        switch name {
        case "version": version = try json.string()
        case "trustDomain": trustDomain = try json.string()
        case "registry": registry = try json.string()
        case "state": state = try json.string()
        case "address": address = try json.string()
        case "dataDirectory": dataDirectory = try json.string()
        case "uptimeMs": uptimeMilliseconds = try json.integer()
        case "sequence": sequence = SequenceNumber(try json.integer(as: UInt64.self))
        case "time": time = Timestamp(rfc3339: try json.string())
        case "services": services = try json.integer()
        case "health": health = try HealthCounts(from: &json)
        case "keys": keys = try KeysReport(from: &json)
        case "checkpoint": checkpoint = try CheckpointReport(from: &json)
        case "snapshots": snapshots = try SnapshotsReport(from: &json)
        case "diskFull": isDiskFull = try json.bool()
        case "guard": guardReport = try GuardReport(from: &json)
        case "ttlMs": ttlMilliseconds = try json.integer()
        case "deregisterAfterMs": deregisterAfterMilliseconds = try json.integer()
        case "shards":
            var shards: [ShardReport] = []
            try json.array { (json) throws(RegistryModelError) in shards.append(try ShardReport(from: &json)) }
            self.shards = shards
        default: try json.skip()
        }
    }

    private mutating func readRate(_ name: String, from json: inout JSONReader) throws(RegistryModelError) -> Bool {
        switch name {
        case "heartbeatsPerSecond": heartbeatsPerSecond = try json.double()
        case "eventsPerSecond": eventsPerSecond = try json.double()
        case "lookupsPerSecond": lookupsPerSecond = try json.double()
        case "lookupP99Ms": lookupP99Milliseconds = try json.double()
        case "fsyncP99Ms": fsyncP99Milliseconds = try json.double()
        case "queue": queue = try json.integer()
        case "subscribers": subscribers = try json.integer()
        case "slowestSubscriberMs": slowestSubscriberMilliseconds = try json.integer()
        case "logBytes": logBytes = try json.integer()
        case "beatsBytes": beatsBytes = try json.integer()
        case "diskUsedFraction": diskUsedFraction = try json.double()
        case "diskFreeBytes": diskFreeBytes = try json.integer()
        case "diskFullInMs": diskFullInMilliseconds = try json.integer()
        default: return false
        }
        return true
    }
}

extension RegistryStatusReport.ShardReport {
    fileprivate init(from json: inout JSONReader) throws(RegistryModelError) {
        var read = Self()
        try json.object { (json, name) throws(RegistryModelError) in
            switch name {
            case "shard": read.shard = try json.integer()
            case "slots": read.slots = try json.integer()
            case "instances": read.instances = try json.integer()
            case "viewBytes": read.viewBytes = try json.integer()
            case "behindMs": read.behindMilliseconds = try json.integer()
            default: try json.skip()
            }
        }
        self = read
    }
}

/// What the mass expiry guard does.
public struct GuardReport: Sendable, Equatable {
    public var isActive = false
    /// An operator asked for it; only an operator ends it.
    public var isHeld = false
    public var since: Timestamp?
    public var why = ""

    public init() {}

    public init(from json: inout JSONReader) throws(RegistryModelError) {
        var read = Self()
        try json.object { (json, name) throws(RegistryModelError) in
            switch name {
            case "active": read.isActive = try json.bool()
            case "held": read.isHeld = try json.bool()
            case "since": read.since = try json.timestamp()
            case "why": read.why = try json.string()
            default: try json.skip()
            }
        }
        self = read
    }
}

extension RegistryConnection.Answer {
    public func statusReport() throws(RegistryClientError) -> RegistryStatusReport {
        try read { (json) throws(RegistryModelError) in try RegistryStatusReport(from: &json) }
    }
}

extension RegistryStatusReport.KeysReport {
    fileprivate init(from json: inout JSONReader) throws(RegistryModelError) {
        var read = Self()
        try json.object { (json, name) throws(RegistryModelError) in
            switch name {
            case "rootNotAfter": read.rootNotAfter = try json.timestamp()
            case "lastBackup": read.lastBackup = try Backup(from: &json)
            default: try json.skip()
            }
        }
        self = read
    }
}

extension RegistryStatusReport.KeysReport.Backup {
    fileprivate init(from json: inout JSONReader) throws(RegistryModelError) {
        var read = Self()
        try json.object { (json, name) throws(RegistryModelError) in
            switch name {
            case "madeAt": read.madeAt = try json.timestamp()
            case "isOfPresentRoot": read.isOfPresentRoot = try json.bool()
            default: try json.skip()
            }
        }
        self = read
    }
}

extension RegistryStatusReport.CheckpointReport {
    fileprivate init(from json: inout JSONReader) throws(RegistryModelError) {
        var read = Self()
        try json.object { (json, name) throws(RegistryModelError) in
            switch name {
            case "sequence": read.sequence = SequenceNumber(try json.integer(as: UInt64.self))
            case "signedAt": read.signedAt = try json.timestamp()
            case "current": read.isCurrent = try json.bool()
            case "everyMs": read.everyMilliseconds = try json.integer()
            case "failure": read.failure = try json.string()
            default: try json.skip()
            }
        }
        self = read
    }
}

extension RegistryStatusReport.SnapshotsReport {
    fileprivate init(from json: inout JSONReader) throws(RegistryModelError) {
        var read = Self()
        try json.object { (json, name) throws(RegistryModelError) in
            switch name {
            case "last": try read.readLast(from: &json)
            case "kept": read.kept = try json.integer()
            case "everyMs": read.everyMilliseconds = try json.integer()
            case "nextAt": read.nextAt = try json.timestamp()
            case "failure": read.failure = try json.string()
            default: try json.skip()
            }
        }
        self = read
    }

    private mutating func readLast(from json: inout JSONReader) throws(RegistryModelError) {
        try json.object { (json, name) throws(RegistryModelError) in
            switch name {
            case "takenAt": takenAt = try json.timestamp()
            case "file": file = try json.string()
            default: try json.skip()
            }
        }
    }
}

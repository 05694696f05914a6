public import RegistryModel

/// What one sidecar says of itself and of the services that it calls: `GET /status` of its admin socket.
public struct SidecarStatus: Sendable, Equatable {
    public struct Upstream: Sendable, Equatable {
        public var service = ""
        /// False: nobody ever registered the name.
        public var isKnown = true
        public var usable = 0
        public var total = 0
        public var inFlight = 0
        public var requests: UInt64 = 0
        public var serverErrors: UInt64 = 0
        public var retries: UInt64 = 0
        /// How long its circuit breaker has been open; nil while it is closed.
        public var breakerOpenMilliseconds: UInt64?
        public var isExternal = false
        public var recent = Recent()
        public var rules: [Rule] = []
        public var instances: [Instance] = []

        public init() {}

        /// How many of them this sidecar leaves out for a while.
        public var ejected: Int { instances.count { $0.ejectedMilliseconds != nil } }
    }

    /// Calls of the last seconds.
    public struct Recent: Sendable, Equatable {
        public var seconds = 10.0
        public var requests: UInt64 = 0
        public var succeeded: UInt64 = 0
        public var retried: UInt64 = 0
        /// nil where there was no call.
        public var medianMicroseconds: Int64?
        public var tailMicroseconds: Int64?
    }

    /// A rule that calls are made by, and who said it.
    public struct Rule: Sendable, Equatable {
        /// `retries`, `timeout_ms`, `per_try_timeout_ms`
        public var name: String
        public var value: UInt64
        public var source: String
    }

    public struct Instance: Sendable, Equatable {
        public var id = ""
        public var failedTries: UInt64 = 0
        public var failuresInARow: UInt64 = 0
        /// How much longer it is left out; nil while it is not.
        public var ejectedMilliseconds: UInt64?
        /// nil where it was not tried yet.
        public var latencyMicroseconds: UInt64?
        /// How the last try there ended; empty where there was none.
        public var last = ""

        public init() {}
    }

    public var version = ""
    public var pid: Int32?
    public var applicationPort: UInt16?
    public var service = ""
    public var id = ""
    public var health = ""
    public var isDraining = false
    public var outbound = ""
    public var inbound = ""
    public var spiffeID = ""
    public var registry = ""
    public var isRegistryConnected = true
    public var registryLostSince: Timestamp?
    public var sequence: UInt64 = 0
    public var startedAt = Timestamp(rawValue: 0)
    public var time = Timestamp(rawValue: 0)
    public var notAfter: Timestamp?
    /// Why the last renewal failed; nil: it did not.
    public var renewalFailure: String?
    /// Requests from other sidecars under way, and their connections.
    public var inFlight = 0
    public var connections = 0
    public var upstreams: [Upstream] = []
    /// The document itself.
    public var document: [UInt8] = []

    init() {}
}

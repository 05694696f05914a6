/// Whether, and how gladly, callers are sent to an instance.
public enum Health: UInt8, Sendable, CaseIterable, CustomStringConvertible {
    /// Registered, not yet known to serve.
    case starting = 1
    case healthy = 2
    /// Serves; picked only when no healthy one is left.
    case degraded = 3
    case unhealthy = 4
    /// Finishes what it has and takes nothing new.
    case draining = 5

    /// Offered to callers.
    public var isRoutable: Bool {
        self == .healthy || self == .degraded
    }

    /// As people and JSON write it.
    public var description: String {
        switch self {
        case .starting: "starting"
        case .healthy: "healthy"
        case .degraded: "degraded"
        case .unhealthy: "unhealthy"
        case .draining: "draining"
        }
    }

    public init?(_ text: some StringProtocol) {
        guard let health = Self.allCases.first(where: { $0.description == text }) else { return nil }
        self = health
    }
}

/// Why an instance's health changed, or why it was deregistered.
public enum TransitionCause: UInt8, Sendable, CaseIterable, CustomStringConvertible {
    /// The instance said so itself, at registration or in a heartbeat.
    case reported = 1
    /// No heartbeat for a whole ttl.
    case heartbeatMissed = 2
    case heartbeatResumed = 3
    /// Overdue, but held by the mass expiry guard.
    case overdueProtected = 4
    case reregistered = 5
    /// The registry's own probe of an external service.
    case probe = 6
    /// Unhealthy for the whole of `deregister-after`.
    case expired = 7
    /// Somebody asked for it.
    case requested = 8

    public var description: String {
        switch self {
        case .reported: "reported"
        case .heartbeatMissed: "heartbeat-missed"
        case .heartbeatResumed: "heartbeat-resumed"
        case .overdueProtected: "overdue-protected"
        case .reregistered: "re-registered"
        case .probe: "probe"
        case .expired: "expired"
        case .requested: "requested"
        }
    }

    public init?(_ text: some StringProtocol) {
        guard let cause = Self.allCases.first(where: { $0.description == text }) else { return nil }
        self = cause
    }
}

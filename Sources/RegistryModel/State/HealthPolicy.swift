/// When silence becomes illness, and illness the end: the rules of leases, as a pure machine.
///
/// The registry decides by it live, and a replay of recorded heartbeats decides by it again: time comes in as durations,
/// so neither clock nor storage is part of it.
public struct HealthPolicy: Sendable, Equatable {
    /// How long an instance may be silent before it is unhealthy.
    public var ttl: Duration
    /// How long a silent instance may be unhealthy, or go on draining, before it is deregistered.
    public var deregisterAfter: Duration

    public static let `default` = HealthPolicy(ttl: .seconds(30), deregisterAfter: .seconds(600))

    public init(ttl: Duration, deregisterAfter: Duration) {
        self.ttl = ttl
        self.deregisterAfter = deregisterAfter
    }

    /// What silence means at a moment.
    public enum Verdict: Sendable, Equatable {
        /// Nothing to do before this much more time has passed.
        case inTime(checkAfter: Duration)
        /// Silent for a whole ttl: becomes unhealthy, cause `heartbeat-missed`, or is protected.
        case overdue
        /// Unhealthy or draining, and overdue, for the whole of `deregisterAfter`: is deregistered, cause `expired`.
        case expired
    }

    /// - Parameters:
    ///   - silentFor: time since the last beat during which the registry was up.
    ///   - unhealthyFor: time since it became unhealthy, counted alike; ignored for any other health.
    public func verdict(_ health: Health, silentFor: Duration, unhealthyFor: Duration) -> Verdict {
        guard silentFor >= ttl else { return .inTime(checkAfter: ttl - silentFor) }
        let goneFor: Duration
        switch health {
        case .starting, .healthy, .degraded: return .overdue
        // Whoever said itself that it was ill is given the whole time from its falling silent on.
        case .unhealthy: goneFor = min(unhealthyFor, silentFor - ttl)
        // Silence takes nothing from it: it gets no requests as it is.
        case .draining: goneFor = silentFor - ttl
        }
        return goneFor >= deregisterAfter ? .expired : .inTime(checkAfter: deregisterAfter - goneFor)
    }

    /// What a beat changes, nil where it changes nothing.
    ///
    /// - Parameter reported: what the instance says of itself; nil says only that it is alive, which makes a `starting`
    ///   one healthy and brings back one that was silent, but not one that said itself that it was ill.
    public static func transition(
        of health: Health,
        because cause: TransitionCause,
        onBeat reported: Health?,
        probe isProbe: Bool = false
    ) -> (to: Health, cause: TransitionCause)? {
        guard health != .draining else { return nil }
        let wasSilent = cause == .heartbeatMissed || cause == .overdueProtected
        if let reported {
            guard reported != health || wasSilent else { return nil }
            if wasSilent, reported == .healthy { return (.healthy, .heartbeatResumed) }
            return (reported, isProbe ? .probe : .reported)
        }
        if health == .starting { return (.healthy, .reported) }
        return wasSilent ? (.healthy, .heartbeatResumed) : nil
    }
}

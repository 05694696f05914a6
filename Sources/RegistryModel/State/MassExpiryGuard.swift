/// Suspects the registry itself when too many instances fall silent at once, and holds expiries back meanwhile: a
/// registry that lost its network must not empty the routing tables of a healthy fleet. (Eureka's "self preservation",
/// but with an end, and told to clients.)
///
/// A pure machine: it is shown counts and times and says what follows.
public struct MassExpiryGuard: Sendable {
    public struct Options: Sendable, Equatable {
        /// Share of the leased instances that may fall silent within one ttl.
        public var fraction: Double
        /// Never trips below this many silent instances.
        public var minimum: Int
        /// Protection ends by itself after this.
        public var protectFor: Duration
        /// Protection ends when this share has beaten within a ttl.
        public var recoveredFraction: Double
        /// After protection, this share of the instances may expire within a ttl.
        public var expiryFractionAfterwards: Double

        public init(
            fraction: Double = 0.33,
            minimum: Int = 10,
            protectFor: Duration = .seconds(600),
            recoveredFraction: Double = 0.85,
            expiryFractionAfterwards: Double = 0.1
        ) {
            self.fraction = fraction
            self.minimum = minimum
            self.protectFor = protectFor
            self.recoveredFraction = recoveredFraction
            self.expiryFractionAfterwards = expiryFractionAfterwards
        }
    }

    /// What the lease table shows at a moment.
    public struct Observation: Sendable, Equatable {
        /// Instances whose lease can expire.
        public var leased: Int
        /// Those that beat within the last ttl.
        public var beating: Int
        /// Those that are overdue, will be within the rest of a ttl unless they beat, or went unhealthy by silence
        /// within the last ttl.
        public var silent: Int
        /// Those that are overdue and not yet unhealthy.
        public var overdue: Int

        public init(leased: Int, beating: Int, silent: Int, overdue: Int) {
            self.leased = leased
            self.beating = beating
            self.silent = silent
            self.overdue = overdue
        }
    }

    public enum Mode: Sendable, Equatable {
        case off
        /// Overdue instances become degraded instead of unhealthy; nothing is deregistered for silence.
        case protecting(since: MonotonicTime, isHeld: Bool)
        /// Protection has ended; what is overdue expires at a bounded rate until none is left.
        case pacing
    }

    public enum Decision: Sendable, Equatable {
        case none
        case start(ProtectionReport)
        case end(ProtectionReport)
    }

    public let options: Options
    public private(set) var mode = Mode.off
    private var allowance = 0.0
    private var allowanceAt: MonotonicTime?

    public init(options: Options = Options()) {
        self.options = options
    }

    public var isProtecting: Bool {
        if case .protecting = mode { true } else { false }
    }

    /// Takes up what the log says at a start.
    public mutating func restore(protectingSince since: MonotonicTime, isHeld: Bool) {
        mode = .protecting(since: since, isHeld: isHeld)
    }

    /// Looks at the fleet; to be called whenever something is overdue, and once a second while protecting or pacing.
    public mutating func assess(_ seen: Observation, now: MonotonicTime) -> Decision {
        switch mode {
        case .off:
            guard seen.silent >= options.minimum, Double(seen.silent) > Double(seen.leased) * options.fraction else {
                return .none
            }
            mode = .protecting(since: now, isHeld: false)
            return .start(report(seen, "\(seen.silent) of \(seen.leased) would expire within one ttl"))
        case .protecting(let since, let isHeld):
            guard !isHeld else { return .none }
            if Double(seen.beating) >= Double(seen.leased) * options.recoveredFraction {
                beginPacing(now)
                return .end(report(seen, "\(seen.beating) of \(seen.leased) beat within one ttl"))
            }
            if now.since(since) >= options.protectFor {
                beginPacing(now)
                return .end(report(seen, "protected for \(options.protectFor.milliseconds / 1_000) s"))
            }
            return .none
        case .pacing:
            if seen.overdue == 0 { mode = .off }
            return .none
        }
    }

    /// An operator's word.
    public mutating func override(_ word: GuardOverride, now: MonotonicTime) {
        switch word {
        case .release:
            if isProtecting { beginPacing(now) }
        case .hold:
            let since: MonotonicTime
            if case .protecting(let started, _) = mode { since = started } else { since = now }
            mode = .protecting(since: since, isHeld: true)
        }
    }

    /// How many of `overdue` instances may expire now.
    public mutating func allowedExpiries(
        of overdue: Int,
        leased: Int,
        ttl: Duration,
        now: MonotonicTime
    ) -> Int {
        switch mode {
        case .off: return overdue
        case .protecting: return 0
        case .pacing:
            let share = max(1.0, Double(leased) * options.expiryFractionAfterwards)
            let elapsed = allowanceAt.map { now.since($0) } ?? .zero
            allowance = min(share, allowance + share * Double(elapsed.nanoseconds) / Double(max(1, ttl.nanoseconds)))
            allowanceAt = now
            let allowed = min(overdue, Int(allowance))
            allowance -= Double(allowed)
            return allowed
        }
    }

    private mutating func beginPacing(_ now: MonotonicTime) {
        mode = .pacing
        allowance = 0
        allowanceAt = now
    }

    private func report(_ seen: Observation, _ why: String) -> ProtectionReport {
        ProtectionReport(expected: UInt64(clamping: seen.leased), seen: UInt64(clamping: seen.beating), why: why)
    }
}

import NIOCore
import RegistryModel

/// How gladly an instance is picked, the best first.
enum InstanceTier: Int, Sendable, Comparable, CustomStringConvertible {
    /// Healthy, and doing well here.
    case preferred
    case degraded
    case ejected
    case unhealthy
    /// Refuses connections, or its lease ran out: picked when nothing else is left, panic or not.
    case lastResort
    /// Draining, starting, or of weight 0.
    case never

    /// Counts as usable: what is below serves only for want of better.
    var isUsable: Bool {
        self <= .degraded
    }

    var description: String {
        switch self {
        case .preferred: "preferred"
        case .degraded: "degraded"
        case .ejected: "ejected"
        case .unhealthy: "unhealthy"
        case .lastResort: "last resort"
        case .never: "never"
        }
    }

    static func < (lhs: InstanceTier, rhs: InstanceTier) -> Bool {
        lhs.rawValue < rhs.rawValue
    }
}

/// An instance, and what one event loop has seen of it.
struct JudgedInstance: Sendable {
    /// How long after a refusal the others come first.
    static let refusalLength = TimeAmount.seconds(1)

    var routed: RoutedInstance
    var inFlight = 0
    var latency: PeakEWMA
    var ejection = Ejection()
    /// Tries that ended and said something of it, and those of them that were gateway failures.
    private(set) var tries: UInt64 = 0
    private(set) var failedTries: UInt64 = 0
    /// Set while it counts as refusing.
    private(set) var refusingUntil: NIODeadline?
    /// How its last try ended that said anything of it.
    private(set) var lastOutcome: TryOutcome?
    /// Of the last judging; what changes it sooner than ``CandidateSet/validUntil`` must ask for another one.
    var tier = InstanceTier.never

    init(_ routed: RoutedInstance, guess: TimeAmount, now: NIODeadline) {
        self.routed = routed
        latency = PeakEWMA(guess: guess, now: now)
    }

    /// For the circuit breaker: its last try found nobody, or nobody expects one there.
    var isSilent: Bool {
        lastOutcome?.isSilence ?? (routed.health == .unhealthy)
    }

    /// When time alone changes its tier; nil: never.
    var changesAt: NIODeadline? {
        guard let until = ejection.until else { return refusingUntil }
        return min(until, refusingUntil ?? until)
    }

    /// Forgets what is over.
    ///
    /// - Returns: whether an ejection has ended.
    mutating func endWhatIsOver(now: NIODeadline) -> Bool {
        if let refusingUntil, refusingUntil <= now { self.refusingUntil = nil }
        return ejection.endIfOver(now: now)
    }

    /// The tier that follows from what is known.
    var judgedTier: InstanceTier {
        guard routed.isPickable else { return .never }
        if refusingUntil != nil || routed.isLapsed { return .lastResort }
        if routed.health == .unhealthy { return .unhealthy }
        if ejection.until != nil { return .ejected }
        return routed.health == .degraded ? .degraded : .preferred
    }

    /// Takes in how a try ended.
    ///
    /// Failing fast must not win: a failed try counts as all the time it might have taken, the application's own failure
    /// as a slow answer.
    ///
    /// - Parameters:
    ///   - tryTimeout: the time it might have taken.
    ///   - slow: what a slow answer of the service takes.
    /// - Returns: whether it should be ejected, if that may be.
    mutating func record(
        _ outcome: TryOutcome,
        latency measured: TimeAmount,
        tryTimeout: TimeAmount,
        slow: TimeAmount,
        now: NIODeadline
    ) -> Bool {
        guard outcome != .abandoned else { return false }
        lastOutcome = outcome
        tries += 1
        if outcome.isGatewayFailure { failedTries += 1 }
        let least: TimeAmount =
            outcome.isGatewayFailure ? tryTimeout : outcome.isApplicationFailure ? slow : .zero
        latency.observe(max(measured, least), now: now)
        refusingUntil = outcome.isRefusal ? now + Self.refusalLength : nil
        return ejection.record(isFailure: outcome.isGatewayFailure)
    }

    /// Why this caller leaves it out though the registry offers it; nil where it doesn't.
    var leftOutBecause: String? {
        guard let lastOutcome, routed.health.isRoutable else { return nil }
        if tier == .ejected {
            return "ejected: \(Ejection.threshold) failures in a row, the last: \(lastOutcome.summary)"
        }
        return tier == .lastResort ? "refusing: \(lastOutcome.summary)" : nil
    }
}

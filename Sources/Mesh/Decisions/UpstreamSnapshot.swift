import NIOCore
import RegistryModel

/// How one service that is called stands at a moment: for status, metrics and diagnosis.
struct UpstreamSnapshot: Sendable {
    struct Instance: Sendable {
        var routed: RoutedInstance
        var tier: InstanceTier
        var inFlight: Int
        var tries: UInt64
        var failedTries: UInt64
        /// nil before anything was measured.
        var latency: TimeAmount?
        /// How much longer; nil where it is not ejected.
        var ejectedFor: TimeAmount?
        /// Ejections without a good time between them.
        var ejections: Int
        var failuresInARow: Int
        /// How the last try ended: `503`, `timed out`.
        var lastOutcome: String?
    }

    var service: ServiceName
    var isKnown: Bool
    var candidates: Candidates
    /// Tiers count no more: too few are usable.
    var isPanic: Bool
    /// Calls stay in their own zone.
    var isZoneLocal: Bool
    var inFlight: Int
    var waiting: Int
    /// How long the circuit breaker has been open; nil while it is closed.
    var breakerOpenFor: TimeAmount?
    /// Retries that may be spent.
    var retryBudget: Double
    var instances: [Instance]
}

extension Upstream {
    func snapshot(now: NIODeadline) -> UpstreamSnapshot {
        refreshIfDue(now)
        return UpstreamSnapshot(
            service: service,
            isKnown: isKnown,
            candidates: candidates.candidates,
            isPanic: candidates.isPanic,
            isZoneLocal: !candidates.inOwnZone.isEmpty,
            inFlight: inFlight,
            waiting: waiting,
            breakerOpenFor: breaker.openSince.map { now - $0 },
            retryBudget: budget.balance(now: now),
            instances: instances.map { instance in
                let latency = instance.latency
                return UpstreamSnapshot.Instance(
                    routed: instance.routed,
                    tier: instance.tier,
                    inFlight: instance.inFlight,
                    tries: instance.tries,
                    failedTries: instance.failedTries,
                    latency: latency.isMeasured ? .nanoseconds(Int64(latency.estimate(now: now))) : nil,
                    ejectedFor: instance.ejection.until.map { max($0 - now, .zero) },
                    ejections: instance.ejection.count,
                    failuresInARow: instance.ejection.failuresInARow,
                    lastOutcome: instance.lastOutcome?.summary
                )
            }
        )
    }

    /// Why none of a known service can be picked.
    var whyNone: String {
        guard !instances.isEmpty else { return "\(service) is known, but has no instances" }
        let reasons = instances.map { $0.routed.weight == 0 ? "of weight 0" : $0.routed.health.description }
        let counted = Set(reasons).sorted().map { reason in "\(reasons.count { $0 == reason }) \(reason)" }
        return "none of the \(instances.count) instances of \(service) takes calls: \(counted.joined(separator: ", "))"
    }

    /// Why the breaker is open.
    var whyOpen: String {
        let whose = candidates.pickable == 1 ? "the one instance" : "all \(candidates.pickable) instances"
        return "the last tries of \(whose) of \(service) failed to connect or timed out"
    }
}

import NIOCore
import RegistryModel

/// Bounds of what one event loop sends to one service.
struct UpstreamLimits: Sendable, Equatable {
    /// Tries begun and not ended.
    var inFlight = 1_024
    /// Calls that wait: for the name to appear, for a connection, for their next try.
    var waiting = 256
}

/// Everything that one event loop knows of one service that it calls: what the registry says, and its own judgement of
/// each instance.
///
/// Of a try it is told the beginning and the end: ``began(_:now:)``, then ``ended(_:_:latency:perTryTimeout:handle:now:)``
/// once, whatever happens. Not thread-safe; `now` never goes back.
final class Upstream {
    let service: ServiceName
    let zone: String
    let limits: UpstreamLimits
    /// nil until the registry has spoken of the service.
    private(set) var routes: ServiceRoutes?
    /// Tries begun and not ended.
    private(set) var inFlight = 0
    private(set) var waiting = 0
    private(set) var breaker = CircuitBreaker()
    private(set) var budget = RetryBudget()
    private(set) var instances: [JudgedInstance] = []
    private(set) var candidates = CandidateSet()
    /// Of all good answers: what is slow for this service.
    private var slowness = PeakEWMA(guess: .zero, now: .uptimeNanoseconds(0))
    /// Where an instance stands in ``instances``.
    private var places: [InstanceID: Int] = [:]
    /// Tries in flight to instances that are not listed any more.
    private var departed: [InstanceID: Int] = [:]
    /// Pickable instances whose ``JudgedInstance/isSilent`` is set.
    private var silent = 0

    /// - Parameter zone: the caller's own; empty where it has none.
    init(service: ServiceName, zone: String, limits: UpstreamLimits = .init()) {
        self.service = service
        self.zone = zone
        self.limits = limits
    }

    /// Whether the registry knows the service: it may know it and have no instances.
    var isKnown: Bool {
        routes?.isKnown ?? false
    }

    // MARK: - What the registry says

    /// Takes what the registry says now. What was seen of an instance is kept as long as its handle stays; a new
    /// incarnation begins anew.
    ///
    /// - Parameter routes: nil: the registry has not spoken of it.
    func update(_ routes: ServiceRoutes?, now: NIODeadline) {
        refreshIfDue(now)
        let guess = medianLatency(now)
        let before = instances
        var placesBefore = places
        self.routes = routes
        instances.removeAll(keepingCapacity: true)
        places.removeAll(keepingCapacity: true)
        for routed in routes?.instances ?? [] where places[routed.key.id] == nil {
            let id = routed.key.id
            let old = placesBefore.removeValue(forKey: id).map { before[$0] }
            var judged: JudgedInstance
            if let old, old.routed.handle == routed.handle {
                judged = old
                judged.routed = routed
            } else {
                judged = JudgedInstance(routed, guess: guess, now: now)
                // Calls to the one before are still under way there.
                judged.inFlight = old?.inFlight ?? departed.removeValue(forKey: id) ?? 0
            }
            places[id] = instances.count
            instances.append(judged)
        }
        for (id, place) in placesBefore where before[place].inFlight > 0 {
            departed[id] = before[place].inFlight
        }
        keepEjectionsBounded(now)
        rebuild(now)
        breaker.reconsider(everyoneIsSilent: everyoneIsSilent, now: now)
    }

    // MARK: - Calls

    /// Where the next try goes.
    ///
    /// An open breaker lets one such question a second through.
    ///
    /// - Parameter tried: whom this call has tried: another one goes before them.
    func pick(
        excluding tried: [InstanceKey],
        now: NIODeadline,
        using generator: inout some RandomNumberGenerator
    ) -> Selection {
        guard isKnown else { return .unknown }
        refreshIfDue(now)
        guard candidates.pickable > 0 else { return .noInstances(why: whyNone) }
        guard inFlight < limits.inFlight else {
            return .overloaded("\(inFlight) calls to \(service) are in flight, as many as may be")
        }
        if case .refuse(let retryAfter) = breaker.admit(now: now) {
            return .breakerOpen(why: whyOpen, retryAfter: retryAfter)
        }
        let place =
            tried.isEmpty
            ? LoadBalancer.pick(from: candidates.preferred, instances, now: now, using: &generator)
            : LoadBalancer.pickAnother(
                than: tried,
                from: candidates,
                instances,
                zone: zone,
                now: now,
                using: &generator
            )
        guard let place else { return .noInstances(why: whyNone) }
        return .instance(instances[place].routed, candidates.candidates)
    }

    /// A try begins.
    func began(_ key: InstanceKey, now: NIODeadline) {
        inFlight += 1
        if let place = places[key.id] {
            instances[place].inFlight += 1
        } else {
            departed[key.id, default: 0] += 1
        }
    }

    /// A try has ended.
    ///
    /// - Parameters:
    ///   - latency: from its beginning to the answer's head, or to its failure.
    ///   - perTryTimeout: what it might have taken, which is what a failure counts as.
    ///   - handle: of the instance picked: what a former incarnation did is not held against a new one.
    func ended(
        _ key: InstanceKey,
        _ outcome: TryOutcome,
        latency: TimeAmount,
        perTryTimeout: TimeAmount,
        handle: InstanceHandle? = nil,
        now: NIODeadline
    ) {
        guard let place = places[key.id] else { return endedElsewhere(key.id) }
        // An end without a beginning says nothing.
        guard instances[place].inFlight > 0 else { return }
        inFlight -= 1
        instances[place].inFlight -= 1
        guard outcome != .abandoned, handle == nil || handle == instances[place].routed.handle else { return }
        refreshIfDue(now)
        record(outcome, at: place, latency: latency, tryTimeout: perTryTimeout, now: now)
    }

    /// A call's first try: fills the retry budget.
    func firstTry(now: NIODeadline) {
        budget.firstTry(now: now)
    }

    /// Spends a retry; false: the budget is spent.
    func takeRetry(now: NIODeadline) -> Bool {
        budget.takeRetry(now: now)
    }

    /// A call begins to wait, for what it may be; false: so many wait that it must be turned away.
    func startWaiting() -> Bool {
        guard waiting < limits.waiting else { return false }
        waiting += 1
        return true
    }

    /// The end of what ``startWaiting()`` allowed.
    func stopWaiting() {
        waiting = max(0, waiting - 1)
    }

    // MARK: - Judgement

    private func record(
        _ outcome: TryOutcome,
        at place: Int,
        latency: TimeAmount,
        tryTimeout: TimeAmount,
        now: NIODeadline
    ) {
        let wasSilent = instances[place].isSilent
        if !outcome.isGatewayFailure, !outcome.isApplicationFailure { slowness.observe(latency, now: now) }
        let shouldEject = instances[place].record(
            outcome,
            latency: latency,
            tryTimeout: tryTimeout,
            slow: .nanoseconds(Int64(slowness.estimate(now: now))),
            now: now
        )
        if instances[place].tier != .never, instances[place].isSilent != wasSilent {
            silent += wasSilent ? -1 : 1
        }
        if shouldEject, mayEject(place) {
            instances[place].ejection.eject(now: now)
        }
        if instances[place].judgedTier != instances[place].tier { candidates.invalidate() }
        breaker.record(isSilence: outcome.isSilence, everyoneIsSilent: everyoneIsSilent, now: now)
    }

    private func endedElsewhere(_ id: InstanceID) {
        guard let count = departed[id] else { return }
        inFlight -= 1
        departed[id] = count > 1 ? count - 1 : nil
    }

    /// At most half of the instances are ejected, and never the last that the registry offers.
    private func mayEject(_ place: Int) -> Bool {
        guard instances[place].routed.health.isRoutable, instances[place].routed.isPickable else { return false }
        let ejected = instances.count { $0.routed.isPickable && $0.ejection.until != nil }
        return (ejected + 1) * 2 <= candidates.pickable
            && instances.indices.contains { $0 != place && isOffered(instances[$0]) }
    }

    private func isOffered(_ instance: JudgedInstance) -> Bool {
        instance.routed.isPickable && instance.routed.health.isRoutable && instance.ejection.until == nil
    }

    /// When instances go, those left may not be mostly ejected: the one whose ejection ends first comes back first.
    private func keepEjectionsBounded(_ now: NIODeadline) {
        while true {
            let pickable = instances.count { $0.routed.isPickable }
            let ejected = instances.indices.filter {
                instances[$0].routed.isPickable && instances[$0].ejection.until != nil
            }
            guard ejected.count * 2 > pickable || !instances.contains(where: isOffered) else { return }
            let next = ejected.min { first, second in
                (instances[first].ejection.until ?? now) < (instances[second].ejection.until ?? now)
            }
            guard let next else { return }
            instances[next].ejection.end(now: now)
        }
    }

    /// Judges anew where something has changed or time is over.
    func refreshIfDue(_ now: NIODeadline) {
        if now >= candidates.validUntil { rebuild(now) }
    }

    private func rebuild(_ now: NIODeadline) {
        var returned: [Int] = []
        for place in instances.indices where instances[place].endWhatIsOver(now: now) { returned.append(place) }
        if !returned.isEmpty {
            // Back as a new one would be: what it was ejected for would keep calls away for minutes more.
            let guess = medianLatency(now, except: returned)
            for place in returned { instances[place].latency = PeakEWMA(guess: guess, now: now) }
        }
        candidates.rebuild(from: &instances, zone: zone, now: now)
        silent = instances.count { $0.tier != .never && $0.isSilent }
    }

    /// Where new instances start: the median of those that were measured.
    private func medianLatency(_ now: NIODeadline, except left: [Int] = []) -> TimeAmount {
        var estimates: [Double] = []
        for (place, instance) in instances.enumerated() where instance.latency.isMeasured && !left.contains(place) {
            estimates.append(instance.latency.estimate(now: now))
        }
        guard !estimates.isEmpty else { return PeakEWMA.minimum }
        estimates.sort()
        return .nanoseconds(Int64(estimates[estimates.count / 2]))
    }

    private var everyoneIsSilent: Bool {
        candidates.pickable > 0 && silent == candidates.pickable
    }
}

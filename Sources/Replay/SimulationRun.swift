import RegistryModel

/// One run of ``PolicySimulation``: leases as they were recorded beside leases as they are supposed.
struct SimulationRun {
    /// How a lease stands.
    private struct Standing {
        var health: Health
        var cause: TransitionCause
        var unhealthySince: Timestamp
        /// When it was marked for silence; nil while it isn't.
        var expiredAt: Timestamp?
        var isGone = false
    }

    private struct Lease {
        let service: Int
        let handle: UInt64
        /// nil: never expires.
        var ttl: Duration?
        var lastBeat: Timestamp
        var recorded: Standing
        var supposed: Standing
    }

    var result: PolicySimulation
    private let recordedRules: PolicySimulation.Rules
    private let rules: PolicySimulation.Rules
    private var expiryGuard: MassExpiryGuard
    private var leases: [Lease] = []
    private var byHandle: [UInt64: Int] = [:]
    private var byKey: [InstanceKey: Int] = [:]
    private var names: [ServiceName] = []
    private var byName: [ServiceName: Int] = [:]
    private var tallies: [(recorded: PolicySimulation.Tally, supposed: PolicySimulation.Tally)] = []
    /// Leases to look at, by the second in which that is due.
    private var due: [Int64: [Int]] = [:]
    private var second: Int64?

    init(
        since: Timestamp,
        until: Timestamp,
        _ recorded: PolicySimulation.Rules,
        _ supposed: PolicySimulation.Rules
    ) {
        result = PolicySimulation(since: since, until: until)
        recordedRules = recorded
        rules = supposed
        expiryGuard = MassExpiryGuard(options: supposed.guardOptions)
    }

    // MARK: What happened

    mutating func takeLog(_ feed: inout EventFeed, through time: Timestamp) throws {
        while let event = try feed.pop(through: time) { take(event) }
    }

    mutating func take(_ packed: PackedHeartbeats, _ time: Timestamp) throws {
        var beats: [(Int, Timestamp)] = []
        beats.reserveCapacity(Int(packed.count))
        // swift-format-ignore: ReplaceForEachWithForLoop
        try packed.forEach { handle, at in
            if let index = byHandle[handle.rawValue] { beats.append((index, at)) }
        }
        for (index, at) in beats {
            advance(to: at)
            beat(index, at)
        }
        result.heartbeats += UInt64(packed.count)
        advance(to: time)
    }

    private mutating func take(_ event: Event) {
        advance(to: event.time)
        switch event.kind {
        case .instanceRegistered(let instance, let health): register(instance, health, event)
        case .instanceDeregistered(let key, let handle, let cause): deregister(key, handle, cause, event.time)
        case .instanceDraining(let key, _):
            guard let index = byKey[key] else { return }
            leases[index].recorded.health = .draining
            leases[index].supposed.health = .draining
        case .healthChanged(let change): take(change, event.time)
        case .protectionStarted: if isCounted(event.time) { result.recordedGuardTrips += 1 }
        case .registryStarted:
            // Nobody is silent while nobody listens: everybody gets a whole ttl.
            for index in leases.indices where !leases[index].supposed.isGone {
                leases[index].lastBeat = max(leases[index].lastBeat, event.time)
                schedule(index)
            }
        default: break
        }
    }

    private mutating func register(_ instance: Instance, _ health: Health, _ event: Event) {
        if let old = byKey[instance.key] {
            // The same incarnation goes on under its handle; another ends it.
            end(old, at: event.time)
        }
        let service = serviceIndex(instance.key.service)
        let standing = Standing(health: health, cause: .reported, unhealthySince: event.time)
        let ttl: Duration? =
            switch instance.lease {
            case .inherited: rules.policy.ttl
            case .ttl(let milliseconds): .milliseconds(Int64(clamping: milliseconds))
            case .permanent: nil
            }
        leases.append(
            Lease(
                service: service,
                handle: event.sequence.rawValue,
                ttl: ttl,
                lastBeat: event.time,
                recorded: standing,
                supposed: standing
            )
        )
        byKey[instance.key] = leases.count - 1
        byHandle[event.sequence.rawValue] = leases.count - 1
        schedule(leases.count - 1)
    }

    private mutating func serviceIndex(_ name: ServiceName) -> Int {
        if let found = byName[name] { return found }
        names.append(name)
        tallies.append((.init(), .init()))
        byName[name] = names.count - 1
        return names.count - 1
    }

    private mutating func deregister(
        _ key: InstanceKey,
        _ handle: InstanceHandle,
        _ cause: TransitionCause,
        _ time: Timestamp
    ) {
        guard let index = byKey[key] else { return }
        // Expiry is the recorded rules' doing; under the supposed ones it is decided anew.
        if cause == .expired {
            endRecorded(index, at: time)
        } else {
            end(index, at: time)
            byKey[key] = nil
        }
    }

    private mutating func take(_ change: HealthChange, _ time: Timestamp) {
        guard let index = byKey[change.key] else { return }
        switch change.cause {
        case .heartbeatMissed:
            leases[index].recorded.health = change.to
            leases[index].recorded.expiredAt = time
            count(index, time) { $0.recorded.expiries += 1 }
        case .overdueProtected: leases[index].recorded.health = change.to
        case .heartbeatResumed: beat(index, time)
        default:
            leases[index].recorded.health = change.to
            leases[index].supposed.health = change.to
            leases[index].supposed.cause = change.cause
            beat(index, time)
        }
    }

    /// It is alive: whoever had taken it for dead was wrong.
    private mutating func beat(_ index: Int, _ time: Timestamp) {
        if leases[index].recorded.expiredAt != nil {
            leases[index].recorded.expiredAt = nil
            leases[index].recorded.health = .healthy
            count(index, time) { $0.recorded.falseExpiries += 1 }
        }
        if leases[index].supposed.expiredAt != nil {
            leases[index].supposed.expiredAt = nil
            leases[index].supposed.isGone = false
            count(index, time) { $0.supposed.falseExpiries += 1 }
        }
        let standing = leases[index].supposed
        if let next = HealthPolicy.transition(of: standing.health, because: standing.cause, onBeat: nil) {
            leases[index].supposed.health = next.to
            leases[index].supposed.cause = next.cause
        }
        leases[index].lastBeat = max(leases[index].lastBeat, time)
    }

    private mutating func end(_ index: Int, at time: Timestamp) {
        endRecorded(index, at: time)
        endSupposed(index, at: time)
        byHandle[leases[index].handle] = nil
    }

    private mutating func endRecorded(_ index: Int, at time: Timestamp) {
        guard !leases[index].recorded.isGone else { return }
        leases[index].recorded.isGone = true
        guard let expired = leases[index].recorded.expiredAt else { return }
        let dead = expired.since(leases[index].lastBeat).milliseconds
        count(index, expired) { $0.recorded.deadMilliseconds += max(0, dead) }
    }

    private mutating func endSupposed(_ index: Int, at time: Timestamp) {
        defer { leases[index].supposed.isGone = true }
        guard let expired = leases[index].supposed.expiredAt else {
            // Recorded as dead, and under the supposed rules not yet noticed.
            guard leases[index].recorded.expiredAt != nil, !leases[index].supposed.isGone else { return }
            let dead = time.since(leases[index].lastBeat).milliseconds
            return count(index, time) { $0.supposed.deadMilliseconds += max(0, dead) }
        }
        let dead = expired.since(leases[index].lastBeat).milliseconds
        count(index, expired) { $0.supposed.deadMilliseconds += max(0, dead) }
    }

    // MARK: What is supposed

    private mutating func schedule(_ index: Int) {
        guard let ttl = leases[index].ttl else { return }
        let at = leases[index].lastBeat.advanced(by: ttl)
        due[at.rawValue / 1_000_000_000 + 1, default: []].append(index)
    }

    /// Lets time pass, second by second where anything is due.
    private mutating func advance(to time: Timestamp) {
        let now = time.rawValue / 1_000_000_000
        guard var reached = second else {
            second = now
            return
        }
        // After the clock was set back there is nothing to catch up with.
        guard now > reached else {
            second = min(reached, now)
            return
        }
        while reached < now {
            reached += 1
            if let indices = due.removeValue(forKey: reached) { look(indices, reached) }
        }
        second = now
    }

    private mutating func look(_ indices: [Int], _ second: Int64) {
        let now = Timestamp(rawValue: second * 1_000_000_000)
        let monotonic = MonotonicTime(rawValue: now.rawValue)
        var overdue: [Int] = []
        for index in indices where !leases[index].supposed.isGone || leases[index].supposed.expiredAt != nil {
            guard let ttl = leases[index].ttl, !leases[index].supposed.isGone else { continue }
            let policy = HealthPolicy(ttl: ttl, deregisterAfter: rules.policy.deregisterAfter)
            let standing = leases[index].supposed
            let verdict = policy.verdict(
                standing.health,
                silentFor: now.since(leases[index].lastBeat),
                unhealthyFor: now.since(standing.unhealthySince)
            )
            switch verdict {
            case .inTime(let after):
                let at = now.advanced(by: max(after, .seconds(1)))
                due[at.rawValue / 1_000_000_000 + 1, default: []].append(index)
            case .overdue: overdue.append(index)
            case .expired: leases[index].supposed.isGone = true
            }
        }
        guard !overdue.isEmpty else { return }
        consultGuard(now, monotonic)
        let allowed = expiryGuard.allowedExpiries(
            of: overdue.count,
            leased: leases.count,
            ttl: rules.policy.ttl,
            now: monotonic
        )
        for (position, index) in overdue.enumerated() {
            if position < allowed { expire(index, now) }
            due[second + (position < allowed ? 30 : 1), default: []].append(index)
        }
    }

    private mutating func expire(_ index: Int, _ now: Timestamp) {
        leases[index].supposed.health = .unhealthy
        leases[index].supposed.cause = .heartbeatMissed
        leases[index].supposed.unhealthySince = now
        leases[index].supposed.expiredAt = now
        count(index, now) { $0.supposed.expiries += 1 }
    }

    /// Shows the guard the fleet, counted as the registry counts it.
    private mutating func consultGuard(_ now: Timestamp, _ monotonic: MonotonicTime) {
        var seen = MassExpiryGuard.Observation(leased: 0, beating: 0, silent: 0, overdue: 0)
        for lease in leases where !lease.supposed.isGone && lease.supposed.health != .draining {
            guard let ttl = lease.ttl else { continue }
            let silence = now.since(lease.lastBeat)
            if lease.supposed.health == .unhealthy {
                guard let expired = lease.supposed.expiredAt, now.since(expired) < ttl else { continue }
                seen.leased += 1
                seen.silent += 1
                continue
            }
            seen.leased += 1
            if silence >= ttl { seen.overdue += 1 } else { seen.beating += 1 }
            // Having missed a beat already, as all have when the network is gone.
            if silence.nanoseconds >= ttl.nanoseconds / 10 * 6 { seen.silent += 1 }
        }
        switch expiryGuard.assess(seen, now: monotonic) {
        case .start: if isCounted(now) { result.supposedGuardTrips += 1 }
        case .none, .end: break
        }
    }

    // MARK: Counting

    private func isCounted(_ time: Timestamp) -> Bool {
        time >= result.since && time <= result.until
    }

    private mutating func count(
        _ index: Int,
        _ time: Timestamp,
        _ body: (inout (recorded: PolicySimulation.Tally, supposed: PolicySimulation.Tally)) -> Void
    ) {
        if isCounted(time) { body(&tallies[leases[index].service]) }
    }

    mutating func finish() -> PolicySimulation {
        advance(to: result.until)
        for index in leases.indices {
            if !leases[index].recorded.isGone { endRecorded(index, at: result.until) }
            if leases[index].supposed.expiredAt != nil || !leases[index].supposed.isGone {
                endSupposed(index, at: result.until)
            }
        }
        for (index, tally) in tallies.enumerated() {
            result.recorded += tally.recorded
            result.supposed += tally.supposed
            guard tally.recorded != tally.supposed else { continue }
            result.services.append(
                .init(service: names[index], recorded: tally.recorded, supposed: tally.supposed)
            )
        }
        result.services.sort { ($1.worse, $0.service) < ($0.worse, $1.service) }
        return result
    }
}

extension PolicySimulation.Tally {
    fileprivate static func += (left: inout Self, right: Self) {
        left.deadMilliseconds += right.deadMilliseconds
        left.falseExpiries += right.falseExpiries
        left.expiries += right.expiries
    }
}

extension PolicySimulation.ServiceOutcome {
    /// False expiries that would be added, then dead seconds.
    fileprivate var worse: Int64 {
        (Int64(clamping: supposed.falseExpiries) - Int64(clamping: recorded.falseExpiries)) * 1_000_000_000
            + supposed.deadMilliseconds - recorded.deadMilliseconds
    }
}

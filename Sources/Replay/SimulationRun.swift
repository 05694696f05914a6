import RegistryModel

/// One run of ``PolicySimulation``: leases as they were recorded beside leases as they are supposed.
///
/// Bounded by the fleet, whatever the history is long: a lease that has ended both ways makes room for another.
struct SimulationRun {
    var result: PolicySimulation
    private let rules: PolicySimulation.Rules
    private var expiryGuard: MassExpiryGuard
    private var leases: [SimulatedLease] = []
    /// Apart from the leases, since nearly every beat touches these alone.
    private var lastBeats: [Timestamp] = []
    /// A beat says only that it is still there.
    private var isPlain: [Bool] = []
    /// In nanoseconds, as its rules say; the largest number for one that never expires.
    private var ttls: [Int64] = []
    private var free: [Int] = []
    private var byHandle = HandleTable()
    private var byKey: [InstanceKey: Int] = [:]
    private var names: [ServiceName] = []
    private var byName: [ServiceName: Int] = [:]
    /// What each service's own policy says of silence, as recorded or as supposed.
    private var policies: [MeshPolicy] = []
    private var tallies: [(recorded: PolicySimulation.Tally, supposed: PolicySimulation.Tally)] = []
    /// Leases to look at, by the second in which that is due.
    private var wheel = TimingWheel()
    private var second: Int64?

    init(since: Timestamp, until: Timestamp, _ supposed: PolicySimulation.Rules) {
        result = PolicySimulation(since: since, until: until)
        rules = supposed
        expiryGuard = MassExpiryGuard(options: supposed.guardOptions)
    }

    // MARK: Where it begins

    /// Takes up a state: who is well has just beaten, who was marked for silence had been silent for the recorded ttl.
    mutating func begin(_ store: InMemoryRecordStore, at time: Timestamp, recordedTTL: Duration) {
        second = time.unixSeconds
        for name in store.serviceNames {
            setPolicy(store.service(name)?.policy, of: name)
            for row in store.rows(of: name) {
                var standing = SimulatedLease.Standing(
                    health: row.state.health,
                    cause: row.state.cause,
                    unhealthySince: row.state.since
                )
                var lastBeat = time
                if row.state.health == .unhealthy, row.state.cause == .heartbeatMissed {
                    standing.expiredAt = row.state.since
                    lastBeat = row.state.since.advanced(by: .zero - recordedTTL)
                }
                add(row.instance, row.state.handle.rawValue, standing, lastBeat)
            }
        }
    }

    // MARK: What happened

    mutating func takeLog(_ feed: inout EventFeed, through time: Timestamp) throws {
        while let event = try feed.pop(through: time) { take(event) }
    }

    mutating func take(_ packed: PackedHeartbeats, _ time: Timestamp) throws {
        var step = Timestamp(rawValue: .min)
        // swift-format-ignore: ReplaceForEachWithForLoop
        try packed.forEach { handle, at in
            if at != step {
                step = at
                advance(to: at)
            }
            guard let index = byHandle.place(of: handle.rawValue) else { return }
            if isPlain[index] {
                if lastBeats[index] < at { lastBeats[index] = at }
            } else {
                beat(index, at)
            }
        }
        if isCounted(time) { result.heartbeats += UInt64(packed.count) }
        advance(to: time)
    }

    private mutating func take(_ event: Event) {
        advance(to: event.time)
        switch event.kind {
        case .instanceRegistered(let instance, let health): register(instance, health, event)
        case .instanceDeregistered(let key, _, let cause): deregister(key, cause, event.time)
        case .instanceDraining(let key, _):
            guard let index = byKey[key] else { return }
            leases[index].recorded.health = .draining
            leases[index].supposed.health = .draining
            settle(index)
        case .healthChanged(let change): take(change, event.time)
        case .servicePolicySet(let name, let policy): setPolicy(policy, of: name)
        case .servicePolicyRemoved(let name): setPolicy(nil, of: name)
        case .protectionStarted: if isCounted(event.time) { result.recordedGuardTrips += 1 }
        case .registryStarted:
            // Nobody is silent while nobody listens: everybody gets a whole ttl.
            for index in leases.indices where !leases[index].isFree && !leases[index].supposed.isGone {
                lastBeats[index] = max(lastBeats[index], event.time)
                schedule(index)
            }
        default: break
        }
    }

    private mutating func register(_ instance: Instance, _ health: Health, _ event: Event) {
        if let old = byKey[instance.key] {
            if !leases[old].recorded.isGone, leases[old].instance.isSameIncarnation(as: instance) {
                // It goes on under its handle, as after a beat.
                leases[old].recorded.health = health
                leases[old].supposed.health = health
                leases[old].supposed.cause = .reported
                return beat(old, event.time)
            }
            end(old, at: event.time)
        }
        let standing = SimulatedLease.Standing(health: health, cause: .reported, unhealthySince: event.time)
        add(instance, event.sequence.rawValue, standing, event.time)
    }

    private mutating func add(
        _ instance: Instance,
        _ handle: UInt64,
        _ standing: SimulatedLease.Standing,
        _ lastBeat: Timestamp
    ) {
        let lease = SimulatedLease(
            instance: instance,
            service: serviceIndex(instance.key.service),
            handle: handle,
            recorded: standing,
            supposed: standing
        )
        let index = free.popLast() ?? leases.count
        if index == leases.count {
            leases.append(lease)
            lastBeats.append(lastBeat)
            isPlain.append(false)
            ttls.append(.max)
        } else {
            leases[index] = lease
            lastBeats[index] = lastBeat
        }
        byKey[instance.key] = index
        byHandle.put(handle, at: index)
        settle(index)
        schedule(index)
    }

    private mutating func serviceIndex(_ name: ServiceName) -> Int {
        if let found = byName[name] { return found }
        names.append(name)
        tallies.append((.init(), .init()))
        policies.append(rules.overrides[name] ?? MeshPolicy())
        byName[name] = names.count - 1
        return names.count - 1
    }

    private mutating func setPolicy(_ policy: MeshPolicy?, of name: ServiceName) {
        let service = serviceIndex(name)
        var policy = policy ?? MeshPolicy()
        if let supposed = rules.overrides[name] {
            policy.ttlMilliseconds = supposed.ttlMilliseconds ?? policy.ttlMilliseconds
            policy.deregisterAfterMilliseconds =
                supposed.deregisterAfterMilliseconds ?? policy.deregisterAfterMilliseconds
        }
        policies[service] = policy
        for index in leases.indices where !leases[index].isFree && leases[index].service == service {
            schedule(index)
        }
    }

    private mutating func deregister(_ key: InstanceKey, _ cause: TransitionCause, _ time: Timestamp) {
        guard let index = byKey[key] else { return }
        // Expiry is the recorded rules' doing; under the supposed ones it is decided anew.
        if cause == .expired {
            endRecorded(index, at: time)
            releaseIfGone(index, at: time)
        } else {
            end(index, at: time)
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
        settle(index)
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
            count(index, time) { $0.supposed.falseExpiries += 1 }
            if leases[index].supposed.isGone {
                leases[index].supposed.isGone = false
                schedule(index)
            }
        }
        let standing = leases[index].supposed
        if let next = HealthPolicy.transition(of: standing.health, because: standing.cause, onBeat: nil) {
            leases[index].supposed.health = next.to
            leases[index].supposed.cause = next.cause
        }
        lastBeats[index] = max(lastBeats[index], time)
        settle(index)
    }

    /// Whether the next beat will change anything but its time.
    private mutating func settle(_ index: Int) {
        let supposed = leases[index].supposed
        isPlain[index] =
            leases[index].recorded.expiredAt == nil && supposed.expiredAt == nil
            && HealthPolicy.transition(of: supposed.health, because: supposed.cause, onBeat: nil) == nil
    }

    // MARK: Ends

    private mutating func end(_ index: Int, at time: Timestamp) {
        endRecorded(index, at: time)
        endSupposed(index, at: time)
        release(index)
    }

    /// Gone by the recorded rules and by the supposed ones: nothing more can come of it.
    private mutating func releaseIfGone(_ index: Int, at time: Timestamp) {
        guard leases[index].recorded.isGone, leases[index].supposed.isGone else { return }
        endSupposed(index, at: time)
        release(index)
    }

    private mutating func release(_ index: Int) {
        let lease = leases[index]
        byHandle.remove(lease.handle)
        if byKey[lease.instance.key] == index { byKey[lease.instance.key] = nil }
        leases[index].isFree = true
        leases[index].dueAt = nil
        isPlain[index] = false
        free.append(index)
    }

    private mutating func endRecorded(_ index: Int, at time: Timestamp) {
        guard !leases[index].recorded.isGone else { return }
        leases[index].recorded.isGone = true
        guard let expired = leases[index].recorded.expiredAt else { return }
        let dead = expired.since(lastBeats[index]).milliseconds
        count(index, expired) { $0.recorded.deadMilliseconds += max(0, dead) }
    }

    private mutating func endSupposed(_ index: Int, at time: Timestamp) {
        defer { leases[index].supposed.isGone = true }
        guard let expired = leases[index].supposed.expiredAt else {
            // Recorded as dead, and under the supposed rules not yet noticed.
            guard leases[index].recorded.expiredAt != nil, !leases[index].supposed.isGone else { return }
            let dead = time.since(lastBeats[index]).milliseconds
            return count(index, time) { $0.supposed.deadMilliseconds += max(0, dead) }
        }
        let dead = expired.since(lastBeats[index]).milliseconds
        count(index, expired) { $0.supposed.deadMilliseconds += max(0, dead) }
    }

    // MARK: What is supposed

    /// nil: never expires. Its own ttl counts before its service's, and that before everybody's.
    private func policy(of index: Int) -> HealthPolicy? {
        let own = policies[leases[index].service]
        var policy = rules.policy
        if let ttl = own.ttlMilliseconds { policy.ttl = .milliseconds(Int64(clamping: ttl)) }
        if let after = own.deregisterAfterMilliseconds {
            policy.deregisterAfter = .milliseconds(Int64(clamping: after))
        }
        switch leases[index].instance.lease {
        case .inherited: break
        case .ttl(let milliseconds): policy.ttl = .milliseconds(Int64(clamping: milliseconds))
        case .permanent: return nil
        }
        return policy
    }

    private mutating func schedule(_ index: Int) {
        guard let policy = policy(of: index) else {
            ttls[index] = .max
            return
        }
        ttls[index] = policy.ttl.nanoseconds
        putDue(index, lastBeats[index].advanced(by: policy.ttl))
    }

    private mutating func putDue(_ index: Int, _ time: Timestamp) {
        let at = max(time.unixSeconds + 1, (second ?? 0) + 1)
        leases[index].dueAt = at
        wheel.put(index, at: at)
    }

    /// Lets time pass, second by second where anything is due.
    private mutating func advance(to time: Timestamp) {
        let now = time.unixSeconds
        guard var reached = second else {
            second = now
            return
        }
        // After the clock was set back there is nothing to catch up with.
        guard now > reached else {
            if now < reached { goBack(to: now) }
            return
        }
        while reached < now {
            reached += 1
            second = reached
            let indices = wheel.take(reached)
            if !indices.isEmpty { look(indices, reached) }
        }
    }

    /// What was due by the old clock is due by the new one, as long from now.
    private mutating func goBack(to now: Int64) {
        let by = (second ?? now) - now
        second = now
        wheel = TimingWheel()
        for index in leases.indices {
            guard let at = leases[index].dueAt else { continue }
            leases[index].dueAt = at - by
            wheel.put(index, at: at - by)
        }
    }

    private mutating func look(_ indices: [Int], _ second: Int64) {
        let now = Timestamp(rawValue: second * 1_000_000_000)
        let monotonic = MonotonicTime(rawValue: now.rawValue)
        var overdue: [Int] = []
        for index in indices {
            guard let at = leases[index].dueAt, at == second else {
                if let at = leases[index].dueAt, TimingWheel.isLapEarly(second, for: at) { wheel.put(index, at: at) }
                continue
            }
            leases[index].dueAt = nil
            guard !leases[index].supposed.isGone, ttls[index] != .max else { continue }
            // Nearly always it has beaten meanwhile: what the rules would say of that is plain.
            let end = lastBeats[index].rawValue + ttls[index]
            guard end <= now.rawValue else {
                putDue(index, Timestamp(rawValue: end))
                continue
            }
            let supposed = leases[index].supposed
            guard let policy = policy(of: index) else { continue }
            let verdict = policy.verdict(
                supposed.health,
                silentFor: now.since(lastBeats[index]),
                unhealthyFor: now.since(supposed.unhealthySince)
            )
            switch verdict {
            case .inTime(let after): putDue(index, now.advanced(by: max(after, .seconds(1))))
            case .overdue: overdue.append(index)
            case .expired:
                leases[index].supposed.isGone = true
                releaseIfGone(index, at: now)
            }
        }
        guard !overdue.isEmpty else { return }
        consultGuard(now, monotonic)
        let allowed = expiryGuard.allowedExpiries(
            of: overdue.count,
            leased: leases.count - free.count,
            ttl: rules.policy.ttl,
            now: monotonic
        )
        for (position, index) in overdue.enumerated() {
            if position < allowed { expire(index, now) }
            putDue(index, now.advanced(by: position < allowed ? .seconds(29) : .zero))
        }
    }

    private mutating func expire(_ index: Int, _ now: Timestamp) {
        leases[index].supposed.health = .unhealthy
        leases[index].supposed.cause = .heartbeatMissed
        leases[index].supposed.unhealthySince = now
        leases[index].supposed.expiredAt = now
        settle(index)
        count(index, now) { $0.supposed.expiries += 1 }
    }

    /// Shows the guard the fleet, counted as the registry counts it.
    private mutating func consultGuard(_ now: Timestamp, _ monotonic: MonotonicTime) {
        var seen = MassExpiryGuard.Observation(leased: 0, beating: 0, silent: 0, overdue: 0)
        for index in leases.indices where !leases[index].isFree {
            let supposed = leases[index].supposed
            guard !supposed.isGone, supposed.health != .draining, let ttl = policy(of: index)?.ttl else { continue }
            let silence = now.since(lastBeats[index])
            if supposed.health == .unhealthy {
                guard let expired = supposed.expiredAt, now.since(expired) < ttl else { continue }
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
        for index in leases.indices where !leases[index].isFree {
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

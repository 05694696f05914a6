import RegistryModel

/// One run of ``PolicySimulation``: leases as they were recorded beside leases as they are supposed.
///
/// Bounded by the fleet, whatever the history is long: a lease that has ended both ways makes room for another.
struct SimulationRun {
    var result: PolicySimulation
    let rules: PolicySimulation.Rules
    var expiryGuard: MassExpiryGuard
    var leases: [SimulatedLease] = []
    /// Apart from the leases, since nearly every beat touches these alone.
    var lastBeats: [Timestamp] = []
    /// A beat says only that it is still there.
    private var isPlain: [Bool] = []
    /// In nanoseconds, as its rules say; the largest number for one that never expires.
    var ttls: [Int64] = []
    var free: [Int] = []
    private var byHandle = HandleTable()
    private var byKey: [InstanceKey: Int] = [:]
    private var names: [ServiceName] = []
    private var byName: [ServiceName: Int] = [:]
    /// What each service's own policy says of silence, as recorded or as supposed.
    var policies: [MeshPolicy] = []
    private var tallies: [(recorded: PolicySimulation.Tally, supposed: PolicySimulation.Tally)] = []
    /// Leases to look at, by the second in which that is due.
    var wheel = TimingWheel()
    var second: Int64?

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
    mutating func settle(_ index: Int) {
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
    mutating func releaseIfGone(_ index: Int, at time: Timestamp) {
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

    // MARK: Counting

    func isCounted(_ time: Timestamp) -> Bool {
        time >= result.since && time <= result.until
    }

    mutating func count(
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

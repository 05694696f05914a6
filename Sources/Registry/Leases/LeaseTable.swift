import RegistryModel
import Synchronization

/// Leases in memory: answers heartbeats without touching the disk, and tells whose time has come.
///
/// Follows the view: the shard's writer applies what each batch changed before it acknowledges it. Times in it are
/// *lease time*: the monotonic clock less all time during which the registry itself stood still.
final class LeaseTable: Sendable {
    /// What a heartbeat came to.
    enum BeatOutcome: Sendable, Equatable {
        /// On time, and nothing changes: it goes on record in `beats/`.
        case alive(InstanceHandle)
        /// Health would change: a command must decide.
        case mustReport(InstanceHandle)
        case unknown
        case superseded
    }

    fileprivate struct WheelEntry: Sendable {
        var slot: Int
        var generation: UInt32
    }

    fileprivate struct State: Sendable {
        var leases: [Lease?] = []
        var free: [Int] = []
        var index: [InstanceKey: Int] = [:]
        var policies: [ServiceName: MeshPolicy] = [:]
        var wheel: DeadlineWheel<WheelEntry>
        var generation: UInt32 = 0
        var stalled = Duration.zero
        var beats: UInt64 = 0
    }

    private let defaults: HealthPolicy
    private let epoch: Epoch
    private let state: Mutex<State>

    init(defaults: HealthPolicy, epoch: Epoch, now: MonotonicTime) {
        self.defaults = defaults
        self.epoch = epoch
        self.state = Mutex(State(wheel: DeadlineWheel(now: now)))
    }

    /// Takes a beat. The lease is renewed even where a command must follow.
    func beat(
        _ key: InstanceKey,
        reported: Health?,
        ifMatch tag: IncarnationTag?,
        now: MonotonicTime
    ) -> BeatOutcome {
        state.withLock { state in
            guard let slot = state.index[key], let lease = state.leases[slot] else { return .unknown }
            if let tag, tag.epoch != epoch || tag.handle != lease.handle { return .superseded }
            let leaseNow = state.leaseTime(now)
            state.leases[slot]?.lastBeat = leaseNow
            state.beats &+= 1
            let change = HealthPolicy.transition(of: lease.health, because: lease.cause, onBeat: reported)
            return change == nil ? .alive(lease.handle) : .mustReport(lease.handle)
        }
    }

    /// Follows a committed batch.
    func apply(_ changes: [LeaseChange], now: MonotonicTime) {
        state.withLock { state in
            for change in changes {
                switch change {
                case .put(let key, let instance, let terms):
                    put(key, instance, terms, silentFor: .zero, unhealthyFor: .zero, now, &state)
                case .health(let key, let instance):
                    setHealth(of: key, instance, now, &state)
                case .remove(let key):
                    remove(key, &state)
                case .policy(let service, let policy):
                    setPolicy(policy, of: service, now, &state)
                }
            }
        }
    }

    /// Takes up an instance that was there before this start.
    func load(
        _ key: InstanceKey,
        _ instance: InstanceState,
        _ terms: Instance.Lease,
        silentFor: Duration,
        unhealthyFor: Duration,
        now: MonotonicTime
    ) {
        state.withLock { put(key, instance, terms, silentFor: silentFor, unhealthyFor: unhealthyFor, now, &$0) }
    }

    func load(_ policy: MeshPolicy, of service: ServiceName) {
        state.withLock { $0.policies[service] = policy }
    }

    /// Leases whose time has come. Each is reported once: until ``reschedule(_:after:now:)`` or a change of it.
    func takeDue(now: MonotonicTime) -> [DueLease] {
        state.withLock { state in
            let leaseNow = state.leaseTime(now)
            var due: [DueLease] = []
            for entry in state.wheel.advance(to: leaseNow) {
                guard let lease = state.leases[entry.slot], lease.generation == entry.generation else { continue }
                switch lease.verdict(at: leaseNow) {
                case .inTime(let checkAfter):
                    state.wheel.schedule(entry, at: leaseNow.advanced(by: checkAfter))
                case .overdue, .expired:
                    state.leases[entry.slot]?.isTransitionQueued = true
                    due.append(
                        DueLease(
                            key: lease.key,
                            handle: lease.handle,
                            health: lease.health,
                            verdict: lease.verdict(at: leaseNow),
                            isProtected: lease.cause == .overdueProtected
                        )
                    )
                }
            }
            return due
        }
    }

    /// Looks at a lease again after `delay`: a transition of it was held back, or came to nothing.
    func reschedule(_ key: InstanceKey, after delay: Duration, now: MonotonicTime) {
        state.withLock { state in
            guard let slot = state.index[key], let lease = state.leases[slot], lease.isTransitionQueued else { return }
            state.leases[slot]?.isTransitionQueued = false
            let deadline = state.leaseTime(now).advanced(by: delay)
            state.wheel.schedule(WheelEntry(slot: slot, generation: lease.generation), at: deadline)
        }
    }

    /// Whether silence still means what it meant when the transition was queued: a beat may have come meanwhile.
    func isStillDue(_ key: InstanceKey, _ handle: InstanceHandle, now: MonotonicTime) -> Bool {
        state.withLock { state in
            guard let slot = state.index[key], let lease = state.leases[slot], lease.handle == handle else {
                return false
            }
            if case .inTime = lease.verdict(at: state.leaseTime(now)) { return false }
            return true
        }
    }

    /// The registry itself stood still for `lateness`: no deadline counts it.
    func extendAll(by lateness: Duration) {
        state.withLock { $0.stalled += lateness }
    }

    /// What the guard decides by. Looks at every lease: about 10 ms for a million.
    func observe(now: MonotonicTime) -> MassExpiryGuard.Observation {
        state.withLock { state in
            let leaseNow = state.leaseTime(now)
            var seen = MassExpiryGuard.Observation(leased: 0, beating: 0, silent: 0, overdue: 0)
            for case let lease? in state.leases {
                guard let policy = lease.policy, lease.health != .draining else { continue }
                let silence = lease.silence(at: leaseNow)
                if lease.health == .unhealthy {
                    // Long unhealthy: no longer part of the fleet that could vanish.
                    guard lease.cause == .heartbeatMissed, leaseNow.since(lease.unhealthySince) < policy.ttl else {
                        continue
                    }
                    seen.leased += 1
                    seen.silent += 1
                    continue
                }
                seen.leased += 1
                if silence >= policy.ttl { seen.overdue += 1 }
                // Having missed a beat already, as all have when the network is gone.
                if silence.nanoseconds >= policy.ttl.nanoseconds / 10 * 6 { seen.silent += 1 }
                if silence < policy.ttl { seen.beating += 1 }
            }
            return seen
        }
    }

    /// How long ago the instance last beat; nil where it never expires or is not known.
    func silence(of key: InstanceKey, now: MonotonicTime) -> Duration? {
        state.withLock { state in
            guard let slot = state.index[key], let lease = state.leases[slot], lease.policy != nil else {
                return Duration?.none
            }
            return lease.silence(at: state.leaseTime(now))
        }
    }

    /// The rules that an instance of this service with these terms lives by; nil: it never expires.
    func policy(of service: ServiceName, terms: Instance.Lease) -> HealthPolicy? {
        state.withLock { effectivePolicy(terms, $0.policies[service]) }
    }

    var counts: (leases: Int, beats: UInt64) {
        state.withLock { ($0.index.count, $0.beats) }
    }
}

extension LeaseTable {
    private func put(
        _ key: InstanceKey,
        _ instance: InstanceState,
        _ terms: Instance.Lease,
        silentFor: Duration,
        unhealthyFor: Duration,
        _ now: MonotonicTime,
        _ state: inout State
    ) {
        let leaseNow = state.leaseTime(now)
        state.generation &+= 1
        let lease = Lease(
            key: key,
            handle: instance.handle,
            health: instance.health,
            cause: instance.cause,
            terms: terms,
            policy: effectivePolicy(terms, state.policies[key.service]),
            lastBeat: leaseNow.advanced(by: .zero - silentFor),
            unhealthySince: leaseNow.advanced(by: .zero - unhealthyFor),
            generation: state.generation
        )
        let slot: Int
        if let known = state.index[key] {
            slot = known
            state.leases[slot] = lease
        } else if let free = state.free.popLast() {
            slot = free
            state.leases[slot] = lease
        } else {
            slot = state.leases.count
            state.leases.append(lease)
        }
        state.index[key] = slot
        schedule(lease, in: slot, &state, leaseNow)
    }

    private func setHealth(
        of key: InstanceKey,
        _ instance: InstanceState,
        _ now: MonotonicTime,
        _ state: inout State
    ) {
        guard let slot = state.index[key], var lease = state.leases[slot] else { return }
        let leaseNow = state.leaseTime(now)
        if instance.health == .unhealthy, lease.health != .unhealthy { lease.unhealthySince = leaseNow }
        lease.health = instance.health
        lease.cause = instance.cause
        // A fresh generation: its entry in the wheel fires at the new deadline.
        state.generation &+= 1
        lease.generation = state.generation
        lease.isTransitionQueued = false
        state.leases[slot] = lease
        schedule(lease, in: slot, &state, leaseNow)
    }

    private func remove(_ key: InstanceKey, _ state: inout State) {
        guard let slot = state.index.removeValue(forKey: key) else { return }
        state.leases[slot] = nil
        state.free.append(slot)
    }

    private func setPolicy(
        _ policy: MeshPolicy?,
        of service: ServiceName,
        _ now: MonotonicTime,
        _ state: inout State
    ) {
        state.policies[service] = policy
        let leaseNow = state.leaseTime(now)
        for (key, slot) in state.index where key.service == service {
            guard var lease = state.leases[slot] else { continue }
            lease.policy = effectivePolicy(lease.terms, policy)
            state.generation &+= 1
            lease.generation = state.generation
            // The entry that its transition would schedule again is the one made here.
            lease.isTransitionQueued = false
            state.leases[slot] = lease
            schedule(lease, in: slot, &state, leaseNow)
        }
    }

    private func schedule(_ lease: Lease, in slot: Int, _ state: inout State, _ leaseNow: MonotonicTime) {
        guard lease.policy != nil else { return }
        var delay = Duration.zero
        if case .inTime(let checkAfter) = lease.verdict(at: leaseNow) { delay = checkAfter }
        state.wheel.schedule(
            WheelEntry(slot: slot, generation: lease.generation),
            at: leaseNow.advanced(by: delay)
        )
    }

    /// The instance's own ttl, else its service's, else the registry's.
    private func effectivePolicy(_ terms: Instance.Lease, _ policy: MeshPolicy?) -> HealthPolicy? {
        var result = defaults
        if let ttl = policy?.ttlMilliseconds { result.ttl = .milliseconds(Int64(clamping: ttl)) }
        if let after = policy?.deregisterAfterMilliseconds {
            result.deregisterAfter = .milliseconds(Int64(clamping: after))
        }
        switch terms {
        case .inherited: return result
        case .ttl(let milliseconds):
            result.ttl = .milliseconds(Int64(clamping: milliseconds))
            return result
        case .permanent: return nil
        }
    }
}

extension LeaseTable.State {
    fileprivate func leaseTime(_ now: MonotonicTime) -> MonotonicTime {
        now.advanced(by: .zero - stalled)
    }
}

import RegistryModel

/// What the registry remembers in memory of an instance: when it last beat, and what a beat or silence would mean.
struct Lease: Sendable {
    let key: InstanceKey
    var handle: InstanceHandle
    var health: Health
    var cause: TransitionCause
    /// As registered; the rules that follow from it are in `policy`.
    var terms: Instance.Lease
    /// nil: never expires.
    var policy: HealthPolicy?
    /// In lease time.
    var lastBeat: MonotonicTime
    var unhealthySince: MonotonicTime
    /// A transition of it waits in the writer's queue.
    var isTransitionQueued = false
    /// Tells entries of the wheel from those of an earlier tenant of the slot.
    var generation: UInt32

    func silence(at now: MonotonicTime) -> Duration {
        now.since(lastBeat)
    }

    func verdict(at now: MonotonicTime) -> HealthPolicy.Verdict {
        guard let policy else { return .inTime(checkAfter: .seconds(3_600)) }
        return policy.verdict(health, silentFor: silence(at: now), unhealthyFor: now.since(unhealthySince))
    }
}

/// A lease whose time has come.
struct DueLease: Sendable {
    var key: InstanceKey
    var handle: InstanceHandle
    var health: Health
    var verdict: HealthPolicy.Verdict
    /// Already degraded because the guard held it.
    var isProtected: Bool
}

/// A change of the view that leases follow.
enum LeaseChange: Sendable {
    case put(InstanceKey, InstanceState, Instance.Lease)
    case health(InstanceKey, InstanceState)
    case remove(InstanceKey)
    case policy(ServiceName, MeshPolicy?)
}

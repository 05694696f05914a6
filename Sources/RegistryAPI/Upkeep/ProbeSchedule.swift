import RegistryModel
import Synchronization

/// An external service's one instance, as its probe needs it.
struct ProbeTarget: Sendable, Equatable {
    var key: InstanceKey
    var handle: InstanceHandle
    var url: String
}

/// Which probes are due: each target at once when it is new, then every interval, never twice at a time, and never more
/// than a bound of them under way.
final class ProbeSchedule: Sendable {
    private struct State {
        var targets: [ProbeTarget] = []
        var dueAt: [InstanceKey: ContinuousClock.Instant] = [:]
        var underWay: Set<InstanceKey> = []
    }

    private let interval: Duration
    private let concurrency: Int
    private let state = Mutex(State())

    init(interval: Duration, concurrency: Int) {
        self.interval = interval
        self.concurrency = concurrency
    }

    /// Those that were there before keep their time.
    func replaceTargets(_ targets: [ProbeTarget], now: ContinuousClock.Instant) {
        state.withLock { state in
            let known = state.dueAt
            state.targets = targets
            state.dueAt = [:]
            for target in targets { state.dueAt[target.key] = known[target.key] ?? now }
        }
    }

    /// Those whose probes are to be started now; ``finished(_:)`` must follow each.
    func takeDue(now: ContinuousClock.Instant) -> [ProbeTarget] {
        state.withLock { state in
            var due: [ProbeTarget] = []
            for target in state.targets {
                guard state.underWay.count < concurrency else { break }
                guard let dueAt = state.dueAt[target.key], dueAt <= now, !state.underWay.contains(target.key) else {
                    continue
                }
                state.dueAt[target.key] = now + interval
                state.underWay.insert(target.key)
                due.append(target)
            }
            return due
        }
    }

    func finished(_ key: InstanceKey) {
        state.withLock { _ = $0.underWay.remove(key) }
    }
}

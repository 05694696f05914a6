import MaterializedView
import RegistryModel
import Synchronization

/// Tells watchers what the view's commits changed.
///
/// A subscription remembers *which* instances changed, never how: what it sends is read from the view when it is sent.
/// So what a watcher sees is in order and never goes back, steps that nobody needs are merged, and a reader however slow
/// costs a bounded set of names.
///
/// A commit and its publication are one step under the hub's lock, so a read transaction and the set of pending changes
/// can be told to belong together by comparing sequences.
final class SubscriptionHub: Sendable {
    /// Changed instances that a subscription remembers one by one; beyond it their services are sent whole.
    static let pendingInstances = 1_024

    typealias ID = UInt64

    /// A watcher to whom nothing was said for this long is woken, to say that the line is up.
    static let keepAlive = Duration.seconds(10)

    /// How a subscription is told that there is something to take, or that it is over.
    struct Waker: Sendable {
        var wake: @Sendable () -> Void
        var end: @Sendable () -> Void
    }

    fileprivate struct Entry {
        let services: WatchedServices
        let waker: Waker
        var pending = PendingChanges()
        var waitingSince: MonotonicTime?
        var wokenAt: MonotonicTime
    }

    fileprivate struct State {
        var published: SequenceNumber
        var entries: [ID: Entry] = [:]
        var byService: [ServiceName: Set<ID>] = [:]
        var all: Set<ID> = []
        var nextID: ID = 1
        var isEnded = false
    }

    private let state: Mutex<State>

    init(published: SequenceNumber) {
        state = Mutex(State(published: published))
    }

    /// Commits and publishes as one step.
    func publish(
        through sequence: SequenceNumber,
        _ changes: [ViewChange],
        now: MonotonicTime,
        committing commit: () throws -> Void
    ) throws {
        let wakes = try state.withLock { state -> [@Sendable () -> Void] in
            try commit()
            state.published = sequence
            var woken: Set<ID> = []
            for change in changes {
                guard let service = change.service else {
                    for id in state.entries.keys { state.note(change, for: id, now, &woken) }
                    continue
                }
                for id in state.all { state.note(change, for: id, now, &woken) }
                for id in state.byService[service] ?? [] { state.note(change, for: id, now, &woken) }
            }
            return woken.compactMap { state.entries[$0]?.waker.wake }
        }
        for wake in wakes { wake() }
    }

    /// The sequence through which everybody can read.
    var published: SequenceNumber {
        state.withLock { $0.published }
    }

    /// Wakes those to whom nothing was said for a while.
    func wakeIdle(now: MonotonicTime) {
        let wakes = state.withLock { state -> [@Sendable () -> Void] in
            var wakes: [@Sendable () -> Void] = []
            for (id, entry) in state.entries where now.since(entry.wokenAt) >= Self.keepAlive {
                state.entries[id]?.wokenAt = now
                wakes.append(entry.waker.wake)
            }
            return wakes
        }
        for wake in wakes { wake() }
    }

    /// Has every watcher told that other roots are to be believed than before.
    func noteTrustChanged(now: MonotonicTime) {
        let wakes = state.withLock { state -> [@Sendable () -> Void] in
            for id in state.entries.keys {
                state.entries[id]?.pending.trust = true
                state.entries[id]?.wokenAt = now
            }
            return state.entries.values.map(\.waker.wake)
        }
        for wake in wakes { wake() }
    }

    func endAll() {
        let ends = state.withLock { state in
            state.isEnded = true
            return state.entries.values.map(\.waker.end)
        }
        for end in ends { end() }
    }

    /// - Parameter waker: called outside any lock; may be called needlessly.
    func add(_ services: WatchedServices, now: MonotonicTime, waker: Waker) -> ID {
        let (id, isEnded) = state.withLock { state in
            let id = state.nextID
            state.nextID += 1
            state.entries[id] = Entry(services: services, waker: waker, wokenAt: now)
            switch services {
            case .all: state.all.insert(id)
            case .named(let names):
                for name in names { state.byService[name, default: []].insert(id) }
            }
            return (id, state.isEnded)
        }
        if isEnded { waker.end() }
        return id
    }

    func remove(_ id: ID) {
        state.withLock { state in
            guard let entry = state.entries.removeValue(forKey: id) else { return }
            switch entry.services {
            case .all: state.all.remove(id)
            case .named(let names):
                for name in names {
                    state.byService[name]?.remove(id)
                    if state.byService[name]?.isEmpty == true { state.byService[name] = nil }
                }
            }
        }
    }

    /// Takes what is pending, if the view that the caller reads is the one it belongs to; nil: read again.
    func takePending(_ id: ID, at sequence: SequenceNumber) -> PendingChanges? {
        state.withLock { state in
            guard state.published == sequence else { return nil }
            guard let entry = state.entries[id] else { return PendingChanges() }
            state.entries[id]?.pending = PendingChanges()
            state.entries[id]?.waitingSince = nil
            return entry.pending
        }
    }

    /// Gives back what did not fit, to be taken before anything newer.
    func putBack(_ pending: PendingChanges, _ id: ID, now: MonotonicTime) {
        state.withLock { state in
            state.entries[id]?.pending.merge(pending)
            if state.entries[id]?.waitingSince == nil { state.entries[id]?.waitingSince = now }
        }
    }

    /// Subscribers, and how long the slowest has left changes untaken.
    func load(now: MonotonicTime) -> (subscribers: Int, slowest: Duration) {
        state.withLock { state in
            let oldest = state.entries.values.compactMap(\.waitingSince).min()
            return (state.entries.count, oldest.map { now.since($0) } ?? .zero)
        }
    }
}

extension SubscriptionHub.State {
    fileprivate mutating func note(
        _ change: ViewChange,
        for id: SubscriptionHub.ID,
        _ now: MonotonicTime,
        _ woken: inout Set<SubscriptionHub.ID>
    ) {
        entries[id]?.pending.note(change)
        if entries[id]?.waitingSince == nil { entries[id]?.waitingSince = now }
        entries[id]?.wokenAt = now
        woken.insert(id)
    }
}

/// What a watcher has yet to be told of, by name.
struct PendingChanges: Sendable, Equatable {
    private(set) var wholeServices: Set<ServiceName> = []
    private(set) var instances: Set<InstanceKey> = []
    private(set) var policies: Set<ServiceName> = []
    /// The whole deny list, which is small.
    var denied = false
    /// The trust bundle, which is not the view's: whoever sends it knows it.
    var trust = false

    var isEmpty: Bool {
        wholeServices.isEmpty && instances.isEmpty && policies.isEmpty && !denied && !trust
    }

    mutating func noteWhole(_ service: ServiceName) {
        wholeServices.insert(service)
    }

    mutating func note(_ change: ViewChange) {
        if let service = change.service, wholeServices.contains(service) { return }
        switch change {
        case .deniedChanged: denied = true
        case .upserted(let key), .removed(let key): instances.insert(key)
        case .policyChanged(let service): policies.insert(service)
        }
        guard instances.count > SubscriptionHub.pendingInstances else { return }
        for key in instances { wholeServices.insert(key.service) }
        instances.removeAll()
        policies.subtract(wholeServices)
    }

    mutating func merge(_ other: PendingChanges) {
        denied = denied || other.denied
        trust = trust || other.trust
        wholeServices.formUnion(other.wholeServices)
        instances.formUnion(other.instances.filter { !wholeServices.contains($0.service) })
        policies.formUnion(other.policies.subtracting(wholeServices))
    }
}

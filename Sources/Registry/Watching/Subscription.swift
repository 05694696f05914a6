import MaterializedView
import RegistryModel
import Synchronization

/// A watch of some services, open for the time of ``ServiceRegistry/withSubscription(to:resumingFrom:_:)``.
public final class Subscription: Sendable {
    /// About this many bytes are read from the view in one go.
    static let batchBytes = 256 * 1_024

    private let hub: SubscriptionHub
    private let view: RegistryView
    private let clock: RegistryClock
    private let epoch: Epoch
    private let id: SubscriptionHub.ID
    private let services: WatchedServices
    private let wakes: AsyncStream<Void>
    /// Set until the first batch: what the watcher brought along.
    private let start: Mutex<Start?>

    private struct Start {
        var cursor: WatchCursor?
    }

    init(
        hub: SubscriptionHub,
        view: RegistryView,
        clock: RegistryClock,
        epoch: Epoch,
        services: WatchedServices,
        cursor: WatchCursor?
    ) {
        let (wakes, continuation) = AsyncStream<Void>.makeStream(bufferingPolicy: .bufferingNewest(1))
        self.hub = hub
        self.view = view
        self.clock = clock
        self.epoch = epoch
        self.services = services
        self.wakes = wakes
        self.start = Mutex(Start(cursor: cursor))
        self.id = hub.add(
            services,
            now: clock.monotonic(),
            waker: .init(wake: { continuation.yield() }, end: { continuation.finish() })
        )
        continuation.yield()
    }

    func end() {
        hub.remove(id)
    }

    /// What there is to say, in order; a batch without events says that nothing happened for a while. Returns when the
    /// registry stops or the task is cancelled.
    ///
    /// The next batch is read from the view only when it is asked for: whoever is slow gets fewer and larger steps.
    public func forEachBatch(_ body: (WatchBatch) async throws -> Void) async throws {
        for await _ in wakes {
            while true {
                let batch = try takeBatch()
                try await body(batch)
                if batch.cursor != nil { break }
            }
        }
    }

    /// Reads what is pending, at most about ``batchBytes`` of it.
    func takeBatch() throws -> WatchBatch {
        while true {
            let batch = try view.read { (snapshot) throws -> WatchBatch? in
                guard var pending = hub.takePending(id, at: snapshot.sequence) else { return nil }
                var events: [WatchEvent] = []
                if let start = start.withLock({ $0.take() }) {
                    try addInitial(start.cursor, snapshot, &pending, &events)
                }
                let rest = try read(&pending, snapshot, into: &events)
                if !rest.isEmpty { hub.putBack(rest, id, now: clock.monotonic()) }
                let cursor = rest.isEmpty ? WatchCursor(epoch: epoch, sequence: snapshot.sequence) : nil
                return WatchBatch(events: events, cursor: cursor)
            }
            if let batch { return batch }
        }
    }

    /// What a new watcher gets: everything, or, when it resumes, every service that changed since.
    private func addInitial(
        _ cursor: WatchCursor?,
        _ snapshot: borrowing ViewSnapshot,
        _ pending: inout PendingChanges,
        _ events: inout [WatchEvent]
    ) throws {
        let resumed: SequenceNumber?
        pending.denied = true
        if let cursor, cursor.epoch == epoch, cursor.sequence <= snapshot.sequence,
            try cursor.sequence >= snapshot.registry.servicesForgotten
        {
            resumed = cursor.sequence
        } else {
            resumed = nil
            if cursor != nil { events.append(.reset) }
        }
        switch services {
        case .named(let names):
            for name in names {
                // A service that is gone has no row to tell when: it is sent, empty.
                if let resumed, let record = try snapshot.service(name), record.modified <= resumed { continue }
                pending.noteWhole(name)
            }
        case .all:
            var whole: [ServiceName] = []
            try snapshot.forEachService(after: nil, limit: .max) { record in
                if let resumed, record.modified <= resumed { return }
                whole.append(record.name)
            }
            for name in whole { pending.noteWhole(name) }
        }
    }

    /// - Returns: what did not fit.
    private func read(
        _ pending: inout PendingChanges,
        _ snapshot: borrowing ViewSnapshot,
        into events: inout [WatchEvent]
    ) throws -> PendingChanges {
        var rest = PendingChanges()
        var bytes = 0
        if pending.trust { events.append(.trustChanged) }
        if pending.denied { events.append(.denied(try snapshot.revocations())) }
        for name in pending.wholeServices.sorted() {
            guard bytes < Self.batchBytes else {
                rest.noteWhole(name)
                continue
            }
            var instances: [UInt8] = [UInt8(ascii: "[")]
            _ = try snapshot.forEachFragment(of: name, matching: .all) { fragment in
                if instances.count > 1 { instances.append(UInt8(ascii: ",")) }
                instances.append(contentsOf: fragment)
            }
            instances.append(UInt8(ascii: "]"))
            bytes += instances.count
            let record = try snapshot.service(name)
            events.append(
                .service(name, instances: instances, policy: record?.policy, isKnown: record != nil)
            )
        }
        for key in pending.instances.sorted() {
            guard bytes < Self.batchBytes else {
                rest.note(.upserted(key))
                continue
            }
            let fragment = try snapshot.withFragment(of: key) { [UInt8]($0) }
            bytes += fragment?.count ?? 64
            events.append(fragment.map { .upsert(key.service, instance: $0) } ?? .remove(key))
        }
        for name in pending.policies.sorted() {
            events.append(.policy(name, try snapshot.service(name)?.policy))
        }
        return rest
    }
}

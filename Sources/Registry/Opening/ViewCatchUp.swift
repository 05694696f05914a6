import EventLog
import MaterializedView
import RegistryModel

/// Brings a view that is behind up to its log, by the same projection that live writes use.
enum ViewCatchUp {
    /// Events of a transaction.
    private static let chunk = 10_000

    /// - Parameters:
    ///   - hub: told of what changes, where somebody may be watching already.
    ///   - leases: follow what changes, where they were loaded already; an instance that changed counts as having beaten.
    ///   - progress: called after each transaction with the sequence reached.
    static func run(
        _ view: RegistryView,
        from log: LogAppender,
        hub: SubscriptionHub?,
        leases: LeaseTable? = nil,
        now: MonotonicTime,
        progress: (SequenceNumber) -> Void = { _ in }
    ) throws {
        var applied = try view.identity()?.applied ?? .none
        let end = log.lastSequence
        while applied < end {
            var events: [Event] = []
            let from = applied.next
            try log.read(from: from, upTo: chunk) { events.append($0) }
            guard let last = events.last, events.first?.sequence == from else {
                throw RegistryError(.dataDirectory, "the log does not go on at \(from): hms-replay verify")
            }
            var changes: [ViewChange] = []
            var leaseChanges: [LeaseChange] = []
            try view.write(
                { (store: inout LMDBRecordStore) in
                    for event in events { try Projection.apply(event, to: &store, changes: &changes) }
                    try store.setApplied(last.sequence)
                    if leases != nil { leaseChanges = try Self.leaseChanges(changes, in: store) }
                },
                committing: { commit in
                    if let hub {
                        try hub.publish(through: last.sequence, changes, now: now, committing: commit)
                    } else {
                        try commit()
                    }
                }
            )
            leases?.apply(leaseChanges, now: now)
            applied = last.sequence
            progress(applied)
        }
    }

    /// What the changes came to in the end, each instance once.
    private static func leaseChanges(_ changes: [ViewChange], in store: LMDBRecordStore) throws -> [LeaseChange] {
        var seen: Set<InstanceKey> = []
        var leaseChanges: [LeaseChange] = []
        for change in changes {
            switch change {
            case .upserted(let key), .removed(let key):
                guard seen.insert(key).inserted else { continue }
                if let state = try store.state(of: key), let instance = try store.instance(key) {
                    leaseChanges.append(.put(key, state, instance.lease))
                } else {
                    leaseChanges.append(.remove(key))
                }
            case .deniedChanged: continue
            case .policyChanged(let service):
                leaseChanges.append(.policy(service, try store.service(service)?.policy))
            }
        }
        return leaseChanges
    }
}

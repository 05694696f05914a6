import EventLog
import MaterializedView
import RegistryModel

/// Brings a view that is behind up to its log, by the same projection that live writes use.
enum ViewCatchUp {
    /// Events of a transaction.
    private static let chunk = 10_000

    /// - Parameters:
    ///   - hub: told of what changes, where somebody may be watching already.
    ///   - progress: called after each transaction with the sequence reached.
    static func run(
        _ view: RegistryView,
        from log: LogAppender,
        hub: SubscriptionHub?,
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
            try view.write(
                { (store: inout LMDBRecordStore) in
                    for event in events { try Projection.apply(event, to: &store, changes: &changes) }
                    try store.setApplied(last.sequence)
                },
                committing: { commit in
                    if let hub {
                        try hub.publish(through: last.sequence, changes, now: now, committing: commit)
                    } else {
                        try commit()
                    }
                }
            )
            applied = last.sequence
            progress(applied)
        }
    }
}

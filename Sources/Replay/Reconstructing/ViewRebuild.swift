import EventLog
import Glibc
import MaterializedView
public import OpenSSLCrypto
public import RegistryModel

/// A fresh view from the log, whose state digest is that of a replay in memory.
public struct ViewRebuild: Sendable {
    /// Through which the view is complete.
    public let sequence: SequenceNumber
    public let instances: UInt64
    public let digest: SHA256Digest

    /// Events of a transaction.
    private static let chunk = 10_000

    /// - Parameters:
    ///   - directory: is made; must not hold a view.
    ///   - progress: events applied, and in all.
    /// - Throws: ``ReplayError`` where the view and the replay differ: a fault of this program.
    public static func run(
        _ source: AuditSource,
        into directory: String,
        progress: (UInt64, UInt64) -> Void = { _, _ in }
    ) throws -> ViewRebuild {
        guard access(directory + "/data.mdb", F_OK) != 0 else {
            throw ReplayError(.usage, "\(directory) holds a view already; nothing was changed")
        }
        let reader = try source.logReader()
        guard let identity = try reader.identity else { throw ReplayError(.notFound, "the log is empty") }
        let view = try RegistryView.open(directory: directory, access: .readWrite)
        try view.write { $0.bind(registryID: identity.registryID, epoch: identity.epoch, applied: .none) }
        var memory = try InMemoryRecordStore()
        let last = try reader.lastSequence
        var applied = SequenceNumber.none
        var chunk: [Event] = []
        try reader.forEach(from: applied.next, through: last) { event, _ in
            guard event.sequence == applied.next else { return false }
            chunk.append(event)
            applied = event.sequence
            if chunk.count == Self.chunk || applied == last {
                try apply(chunk, to: view, &memory)
                chunk.removeAll(keepingCapacity: true)
                progress(applied.rawValue, last.rawValue)
            }
            return true
        }
        guard applied == last else {
            throw ReplayError(.unreadable, "event \(applied.next) can't be read", hint: "hms-replay verify")
        }
        try view.sync()
        var digest = try ViewDigest()
        let found = try view.read { snapshot in (try digest.update(snapshot), try snapshot.totals.health.total) }
        guard found.0 == memory.stateDigest() else {
            throw ReplayError(.unreadable, "the view's state digest \(found.0) is not the replay's")
        }
        return ViewRebuild(sequence: applied, instances: UInt64(found.1), digest: found.0)
    }

    private static func apply(
        _ events: [Event],
        to view: RegistryView,
        _ memory: inout InMemoryRecordStore
    ) throws {
        try view.write { (store: inout LMDBRecordStore) in
            var changes: [ViewChange] = []
            for event in events {
                try Projection.apply(event, to: &store, changes: &changes)
                Projection.apply(event, to: &memory, changes: &changes)
                changes.removeAll(keepingCapacity: true)
            }
            if let last = events.last { try store.setApplied(last.sequence) }
        }
    }
}

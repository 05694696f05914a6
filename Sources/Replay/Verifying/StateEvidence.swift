import EventLog
import OpenSSLCrypto
import RegistryModel

/// A file that lets a stranger check a past state with nothing but the registry's public key.
///
/// It holds the state at the last checkpoint before the moment, record by record; every event from there through the next
/// checkpoint's size; and that checkpoint. Who checks it: (1) hashes the records to the state digest
/// (`docs/state-digest.md`); (2) puts the events' leaves behind the frontier and has the signed root; (3) finds among
/// the events the record of the earlier checkpoint, which names that very digest; (4) checks the signature. What
/// happened between the earlier checkpoint and the moment is there to read.
public enum StateEvidence {
    /// At most so many events between two checkpoints fit in such a file.
    private static let eventsAtMost = 1_000_000

    /// - Throws: ``ReplayError`` where no checkpoint lies before the moment, or none covers it yet.
    public static func document(of position: HistoryPosition, in source: AuditSource) throws -> [UInt8] {
        let reader = try source.logReader()
        let (base, cover) = try checkpoints(around: position.sequence, reader)
        var store = try InMemoryRecordStore()
        var tree = try MerkleTree()
        var frontier: [SHA256Digest] = []
        var events: [[UInt8]] = []
        var changes: [ViewChange] = []
        try reader.forEach(from: SequenceNumber(1), through: cover.size) { event, bytes in
            if event.sequence <= base.size {
                Projection.apply(event, to: &store, changes: &changes)
                changes.removeAll(keepingCapacity: true)
                tree.append(bytes)
                if event.sequence == base.size { frontier = tree.frontier }
            } else {
                events.append([UInt8](bytes))
            }
            return events.count <= eventsAtMost
        }
        guard UInt64(events.count) == cover.size.rawValue - base.size.rawValue, !frontier.isEmpty else {
            throw HistoryProof.notWhole
        }
        guard let note = cover.note, store.stateDigest().bytes == base.stateDigest else {
            throw ReplayError(.unreadable, "the state is not the one that was signed", hint: "hms-replay verify")
        }
        return document(position, base, note, frontier, events, store)
    }

    /// The last checkpoint at or before a sequence, and the first that covers both it and the other's record.
    private static func checkpoints(
        around sequence: SequenceNumber,
        _ reader: LogReader
    ) throws -> (base: CheckpointRecord, cover: CheckpointRecord) {
        var base: (record: CheckpointRecord, at: SequenceNumber)?
        var cover: CheckpointRecord?
        try reader.forEach(from: SequenceNumber(1)) { event, _ in
            guard case .checkpointed(let record) = event.kind else { return true }
            if record.size <= sequence {
                base = (record, event.sequence)
            }
            if let base, record.size >= max(base.at, sequence) { cover = record }
            return cover == nil
        }
        guard let base else {
            throw ReplayError(.notFound, "no checkpoint was signed at or before event \(sequence)")
        }
        guard let cover else {
            throw ReplayError(
                .notFound,
                "no checkpoint covers event \(max(base.at, sequence)) yet",
                hint: "hms-reg checkpoint signs one"
            )
        }
        return (base.record, cover)
    }

    private static func document(
        _ position: HistoryPosition,
        _ base: CheckpointRecord,
        _ note: SignedNote,
        _ frontier: [SHA256Digest],
        _ events: [[UInt8]],
        _ store: InMemoryRecordStore
    ) -> [UInt8] {
        var json = JSONWriter(reservingCapacity: 1 << 16)
        json.beginObject()
        json.member("format", "hms-state-evidence-1")
        json.member("asked_sequence", position.sequence.rawValue)
        json.member("asked_time", position.time)
        json.member("base_size", base.size.rawValue)
        json.member("digest_version", base.digestVersion)
        json.member("state_digest", Base64.encode(base.stateDigest))
        json.key("records")
        json.beginObject()
        for slot in HashSlot.all {
            let records = store.records(of: slot)
            guard !records.isEmpty else { continue }
            json.member(slot.description, records.map { Base64.encode($0.bytes) })
        }
        json.endObject()
        json.member("frontier", frontier.map { Base64.encode($0.bytes) })
        json.member("events", events.map { Base64.encode($0) })
        json.member("checkpoint", note.rendered)
        json.endObject()
        return json.bytes + [UInt8(ascii: "\n")]
    }
}

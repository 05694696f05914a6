import EventLog
import OpenSSLCrypto
public import RegistryModel

/// Proofs that a stranger can check with a key and a few hashes.
public enum HistoryProof {
    /// That an event is part of what a checkpoint signed: a C2SP tlog-proof, with the event's own bytes as its extra data.
    ///
    ///     c2sp.org/tlog-proof@v1
    ///     extra <base64 of the event>
    ///     index <leaf>
    ///     <base64 of each hash beside the way to the root>
    ///
    ///     <checkpoint>
    ///
    /// - Throws: ``ReplayError`` where no checkpoint covers the event.
    public static func inclusion(of sequence: SequenceNumber, in source: AuditSource) throws -> String {
        let (note, size) = try newestCheckpoint(covering: sequence, source)
        let index = sequence.rawValue - 1
        var builder = try MerkleProofBuilder(MerkleProof.inclusionRanges(index: index, size: size.rawValue))
        var event: [UInt8]?
        try source.logReader().forEach(from: SequenceNumber(1), through: size) { shown, bytes in
            builder.append(bytes)
            if shown.sequence == sequence { event = [UInt8](bytes) }
            return true
        }
        guard let event, let hashes = builder.hashes else { throw notWhole }
        var lines = ["c2sp.org/tlog-proof@v1", "extra \(Base64.encode(event))", "index \(index)"]
        lines += hashes.map { Base64.encode($0.bytes) }
        return lines.joined(separator: "\n") + "\n\n" + note.rendered
    }

    /// That the log of an older checkpoint is a prefix of what the newest one signed.
    ///
    ///     hms consistency proof v1
    ///     old <size>
    ///     <base64 of each hash of RFC 6962 §2.1.2>
    ///
    ///     <older checkpoint>
    ///
    ///     <newer checkpoint>
    public static func consistency(from path: String, in source: AuditSource) throws -> String {
        let old = try KeptCheckpoint(path: path)
        let (note, size) = try newestCheckpoint(covering: old.checkpoint.size, source)
        let ranges = MerkleProof.consistencyRanges(old: old.checkpoint.size.rawValue, size: size.rawValue)
        var builder = try MerkleProofBuilder(ranges)
        var tree = try MerkleTree()
        var oldRoot: SHA256Digest?
        try source.logReader().forEach(from: SequenceNumber(1), through: size) { shown, bytes in
            builder.append(bytes)
            if shown.sequence <= old.checkpoint.size { tree.append(bytes) }
            if shown.sequence == old.checkpoint.size { oldRoot = tree.root }
            return true
        }
        guard oldRoot == old.checkpoint.root else {
            throw ReplayError(.notFound, "\(path) is not a checkpoint of this log: its events are not the ones here")
        }
        guard let hashes = builder.hashes else { throw notWhole }
        var lines = ["hms consistency proof v1", "old \(old.checkpoint.size)"]
        lines += hashes.map { Base64.encode($0.bytes) }
        return lines.joined(separator: "\n") + "\n\n" + old.note.rendered + "\n" + note.rendered
    }

    static let notWhole = ReplayError(
        .unreadable,
        "the log is not held here from its beginning",
        hint: "hms-replay verify"
    )

    /// The newest checkpoint on record whose size is `sequence` or more.
    static func newestCheckpoint(
        covering sequence: SequenceNumber,
        _ source: AuditSource
    ) throws -> (note: SignedNote, size: SequenceNumber) {
        var found: CheckpointRecord?
        try source.logReader().forEach(from: sequence) { event, _ in
            if case .checkpointed(let record) = event.kind, record.size >= sequence { found = record }
            return true
        }
        guard let found, let note = found.note else {
            throw ReplayError(
                .notFound,
                "no checkpoint on record covers event \(sequence)",
                hint: "hms-reg checkpoint signs one; within a minute the daemon does so itself"
            )
        }
        return (note, found.size)
    }
}

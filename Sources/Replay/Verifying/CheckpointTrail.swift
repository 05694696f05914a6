import EventLog
import OpenSSLCrypto
import RegistryModel

/// Follows a log from event to event and judges each checkpoint on record: the root and the state's digest must be those
/// of the events before, the signature its key's, the origin this log's.
///
/// A checkpoint names a moment shortly before its own record, so the fold stays behind the events by what may still be
/// named: at most ``window`` of them.
struct CheckpointTrail {
    /// Events between a checkpoint's size and its record, at the most: a busy registry writes that many while it signs.
    static let window = 65_536

    struct Problem {
        var sequence: SequenceNumber
        var what: String
    }

    private(set) var checkpoints: UInt64 = 0
    private(set) var digests: UInt64 = 0
    /// The newest that was found good.
    private(set) var lastGood: CheckpointRecord?
    private(set) var lastGoodTime: Timestamp?
    /// The keys that signed, the newest last: an epoch has one, until that names another.
    private(set) var keys: [NoteKey] = []
    private(set) var problems: [Problem] = []
    /// Roots at the sizes that were asked for.
    private(set) var roots: [SequenceNumber: SHA256Digest] = [:]
    /// When the last event of such a size happened.
    private(set) var times: [SequenceNumber: Timestamp] = [:]
    /// Forks: what was restored, and from which event on.
    private(set) var restores: [(record: RestoreRecord, event: Event)] = []

    /// An event that the fold has not come to.
    private struct Waiting {
        let leaf: SHA256Digest
        let time: Timestamp
        /// nil where states are not judged.
        let event: Event?
    }

    private let trusted: [NoteKey]
    /// Whom each key has named after itself.
    private var successors: [NoteKey: NoteKey] = [:]
    /// Where each key first signed or was named.
    private var appearances: [NoteKey: SequenceNumber] = [:]
    private let wanted: Set<SequenceNumber>
    private let registryID: RegistryID
    private let foldsState: Bool
    private var waiting: [Waiting] = []
    private var firstWaiting = 0
    private var tree: MerkleTree
    private var store: InMemoryRecordStore
    /// Nobody watches; kept for its memory.
    private var changes: [ViewChange] = []
    private var lastSize = SequenceNumber.none

    /// - Parameters:
    ///   - trusted: keys kept elsewhere: every checkpoint must be signed by one of them, or by one that a chain of
    ///     rotations ties to it; empty: by any.
    ///   - wanted: sizes whose roots are asked for.
    ///   - start: the tree before the first event; where it is not empty, states are not known and not judged.
    ///   - comparesStates: where false, states are not judged.
    init(
        registryID: RegistryID,
        trusted: [NoteKey],
        wanted: Set<SequenceNumber>,
        start: MerkleTree,
        comparesStates: Bool
    ) throws {
        self.registryID = registryID
        self.trusted = trusted
        self.wanted = wanted
        tree = start
        foldsState = comparesStates && start.size == 0
        store = try InMemoryRecordStore()
    }

    /// The next event of a log that is sound so far.
    mutating func take(_ event: Event, leaf: SHA256Digest, epoch: Epoch) {
        switch event.kind {
        case .checkpointed(let record): judge(record, event, epoch)
        case .checkpointKeyRotated(let record): judge(record, event, epoch)
        case .registryRestored(let record):
            advance(through: record.sequence)
            if record.sequence.next != event.sequence || tree.size != record.sequence.rawValue
                || tree.root.bytes != record.root
            {
                note(event.sequence, "the restore does not go on from the events before it")
            }
            restores.append((record, event))
        default: break
        }
        waiting.append(Waiting(leaf: leaf, time: event.time, event: foldsState ? event : nil))
        if waiting.count - firstWaiting > Self.window { fold() }
    }

    /// After the last event.
    mutating func finish() {
        while firstWaiting < waiting.count { fold() }
        judgeTrust()
    }

    // MARK: Judging

    /// The old key must be the one that signs, and say so; whoever holds the new one must have said so too.
    private mutating func judge(_ record: KeyRotationRecord, _ event: Event, _ epoch: Epoch) {
        guard record.isSigned, let (old, new) = record.noteKeys else {
            return note(event.sequence, "the change of keys is not signed by both of them", of: "a change of keys")
        }
        if Checkpoint.epoch(ofOrigin: record.origin, registry: registryID) != epoch {
            return note(event.sequence, "its origin \(record.origin) is not this log's", of: "a change of keys")
        }
        if let last = keys.last, last.name == old.name, last.key != old.key {
            return note(
                event.sequence,
                "\(old.short) names another key, but \(last.short) signs",
                of: "a change of keys"
            )
        }
        appearances[old] = appearances[old] ?? event.sequence
        appearances[new] = appearances[new] ?? event.sequence
        successors[old] = new
        if keys.last != old { keys.append(old) }
        keys.append(new)
    }

    /// Keys that were kept must be of the chains that are on record.
    private mutating func judgeTrust() {
        guard !trusted.isEmpty else { return }
        for (key, sequence) in appearances.sorted(by: { $0.value < $1.value }) {
            let chain = chain(of: key)
            guard chain.contains(where: { member in trusted.contains { $0.key == member.key } }) else {
                note(sequence, "it is signed by \(key.short), not by a key that was given")
                continue
            }
            // A key of this very origin that is elsewhere: the old one has named two successors, here and there.
            guard chain.count > 1, let tip = chain.last, !trusted.contains(where: { $0.key == tip.key }),
                let other = trusted.first(where: { $0.name == key.name && !chain.contains($0) })
            else { continue }
            note(sequence, "\(other.short), which was given, is not among the keys that followed each other here")
        }
    }

    /// All that are tied to a key by rotations, the oldest first.
    private func chain(of key: NoteKey) -> [NoteKey] {
        var chain = [key]
        while let before = successors.first(where: { $0.value == chain[0] })?.key, !chain.contains(before) {
            chain.insert(before, at: 0)
        }
        while let next = successors[chain[chain.count - 1]], !chain.contains(next) { chain.append(next) }
        return chain
    }

    private mutating func judge(_ record: CheckpointRecord, _ event: Event, _ epoch: Epoch) {
        checkpoints += 1
        let before = problems.count
        guard record.size < event.sequence, record.size >= lastSize, record.size.rawValue >= tree.size else {
            return note(event.sequence, "its size \(record.size) does not follow from the checkpoints before")
        }
        lastSize = record.size
        advance(through: record.size)
        if tree.root.bytes != record.root { note(event.sequence, "its root does not follow from the events before it") }
        if Checkpoint.epoch(ofOrigin: record.origin, registry: registryID) != epoch {
            note(event.sequence, "its origin \(record.origin) is not this log's")
        }
        judgeSignature(record, event)
        if foldsState, record.digestVersion == CanonicalRecord.version {
            if store.stateDigest().bytes == record.stateDigest {
                digests += 1
            } else {
                note(event.sequence, "the state after \(record.size) events is not the one that was signed")
            }
        }
        guard problems.count == before else { return }
        lastGood = record
        lastGoodTime = event.time
    }

    private mutating func judgeSignature(_ record: CheckpointRecord, _ event: Event) {
        guard let noteKey = record.noteKey, let signed = record.note, signed.isSigned(by: noteKey) else {
            return note(event.sequence, "its signature is not that of the key it names")
        }
        appearances[noteKey] = appearances[noteKey] ?? event.sequence
        // A key's name is the origin, which names the epoch.
        guard let last = keys.last, last.name == noteKey.name else { return keys.append(noteKey) }
        if last.key != noteKey.key {
            note(event.sequence, "it is signed by \(noteKey.short), the ones before by \(last.short)")
        }
    }

    private mutating func note(_ sequence: SequenceNumber, _ what: String, of subject: String = "checkpoint on record")
    {
        problems.append(Problem(sequence: sequence, what: "\(subject): \(what)"))
    }

    // MARK: Folding

    private mutating func advance(through size: SequenceNumber) {
        while tree.size < size.rawValue, firstWaiting < waiting.count { fold() }
    }

    private mutating func fold() {
        let next = waiting[firstWaiting]
        firstWaiting += 1
        if firstWaiting > 4_096, firstWaiting * 2 > waiting.count {
            waiting.removeFirst(firstWaiting)
            firstWaiting = 0
        }
        tree.append(hash: next.leaf)
        if let event = next.event {
            Projection.apply(event, to: &store, changes: &changes)
            changes.removeAll(keepingCapacity: true)
        }
        let sequence = SequenceNumber(tree.size)
        if wanted.contains(sequence) {
            roots[sequence] = tree.root
            times[sequence] = next.time
        }
    }
}

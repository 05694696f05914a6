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
    /// The keys that signed, the newest last: each epoch has one, and a restore may bring another.
    private(set) var keys: [NoteKey] = []
    private(set) var problems: [Problem] = []
    /// Roots at the sizes that were asked for.
    private(set) var roots: [SequenceNumber: SHA256Digest] = [:]
    /// When the last event of such a size happened.
    private(set) var times: [SequenceNumber: Timestamp] = [:]
    /// Forks: what was restored, and from which event on.
    private(set) var restores: [(record: RestoreRecord, event: Event)] = []

    private let trusted: [VerifyingKey]
    private let wanted: Set<SequenceNumber>
    private let registryID: RegistryID
    private let foldsState: Bool
    private var waiting: [(event: Event, leaf: SHA256Digest)] = []
    private var firstWaiting = 0
    private var tree: MerkleTree
    private var store: InMemoryRecordStore
    private var lastSize = SequenceNumber.none

    /// - Parameters:
    ///   - trusted: keys kept elsewhere: every checkpoint must be signed by one of them; empty: by any.
    ///   - wanted: sizes whose roots are asked for.
    ///   - start: the tree before the first event; where it is not empty, states are not known and not judged.
    init(
        registryID: RegistryID,
        trusted: [VerifyingKey],
        wanted: Set<SequenceNumber>,
        start: MerkleTree
    ) throws {
        self.registryID = registryID
        self.trusted = trusted
        self.wanted = wanted
        tree = start
        foldsState = start.size == 0
        store = try InMemoryRecordStore()
    }

    /// The next event of a log that is sound so far.
    mutating func take(_ event: Event, leaf: SHA256Digest, epoch: Epoch) {
        switch event.kind {
        case .checkpointed(let record): judge(record, event, epoch)
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
        waiting.append((event, leaf))
        if waiting.count - firstWaiting > Self.window { fold() }
    }

    /// After the last event.
    mutating func finish() {
        while firstWaiting < waiting.count { fold() }
    }

    // MARK: Judging

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
        guard foldsState else { return }
        if record.digestVersion == CanonicalRecord.version {
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
        guard trusted.isEmpty || trusted.contains(noteKey.key) else {
            return note(event.sequence, "it is signed by \(noteKey.short), not by a key that was given")
        }
        // A key's name is the origin, which names the epoch.
        guard let last = keys.last, last.name == noteKey.name else { return keys.append(noteKey) }
        if last.key != noteKey.key {
            note(event.sequence, "it is signed by \(noteKey.short), the ones before by \(last.short)")
        }
    }

    private mutating func note(_ sequence: SequenceNumber, _ what: String) {
        problems.append(Problem(sequence: sequence, what: what))
    }

    // MARK: Folding

    private mutating func advance(through size: SequenceNumber) {
        while tree.size < size.rawValue, firstWaiting < waiting.count { fold() }
    }

    private mutating func fold() {
        let (event, leaf) = waiting[firstWaiting]
        firstWaiting += 1
        if firstWaiting > 4_096, firstWaiting * 2 > waiting.count {
            waiting.removeFirst(firstWaiting)
            firstWaiting = 0
        }
        tree.append(hash: leaf)
        if foldsState {
            var changes: [ViewChange] = []
            Projection.apply(event, to: &store, changes: &changes)
        }
        if wanted.contains(event.sequence) {
            roots[event.sequence] = tree.root
            times[event.sequence] = event.time
        }
    }
}

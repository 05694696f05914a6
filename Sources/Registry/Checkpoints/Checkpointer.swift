import EventLog
import Glibc
import MaterializedView
import OpenSSLCrypto
import RegistryModel

/// How a registry signs its log.
public struct CheckpointOptions: Sendable {
    /// Begins the origin of every checkpoint.
    public var trustDomain: String
    /// With anything new, one is signed this often.
    public var interval: Duration
    /// Each note is put there too, and the key: a place that the registry's own disk is not.
    public var copyDirectory: String?

    public init(trustDomain: String, interval: Duration = .seconds(60), copyDirectory: String? = nil) {
        self.trustDomain = trustDomain
        self.interval = interval
        self.copyDirectory = copyDirectory
    }
}

/// Signs the log's root and puts that on record, with the digest of the state: on a schedule, at a start what the last
/// life left unsigned, at a stop, and when asked.
///
/// It never signs a note that is inconsistent with an earlier one of the same epoch: the last is kept, synced before it
/// goes anywhere, and a log that does not go on from it is not opened. Runs on a thread of its own, off the hot path: it
/// reads the view as any look-up does.
final class Checkpointer: Sendable {
    struct Parts: Sendable {
        var directory: DataDirectory
        var identity: LogIdentity
        var view: RegistryView
        var log: LogAppender
        var queue: CommandQueue
        var now: @Sendable () -> Timestamp
        var notice: @Sendable (RegistryNotice) -> Void
    }

    typealias Answer = @Sendable (Result<SignedNote, RegistryError>) -> Void
    typealias RotationAnswer = @Sendable (Result<NoteKey, RegistryError>) -> Void

    private struct State: Sendable {
        /// The last note, and its size.
        var note: SignedNote?
        var size = SequenceNumber.none
        /// nil where it is not on record: the last life ended in between.
        var signedAt: Timestamp?
        /// Why the last try failed; nil once one has not.
        var failure: String?
        /// Where the last one is on record: with nothing behind it there is nothing new.
        var recordedAt = SequenceNumber.none
        var waiting: [Answer] = []
        var rotations: [RotationAnswer] = []
        var isStopping = false
    }

    private let options: CheckpointOptions
    private let parts: Parts
    /// Changed only by this one's thread.
    private let key: Monitor<CheckpointKey>
    private let origin: String
    private let state: Monitor<State>
    /// What the last life left unsigned: a crash kept it from that.
    private let isLastLifeUnsigned: Bool

    /// - Throws: `data-directory` where the log does not go on from what was signed last.
    init(_ options: CheckpointOptions, _ parts: Parts) throws {
        self.options = options
        self.parts = parts
        origin = Checkpoint.origin(trustDomain: options.trustDomain, parts.identity)
        _ = mkdir(parts.directory.keys, 0o700)
        let key = try CheckpointKey(directory: parts.directory.keys, log: parts.directory.log, origin: origin)
        self.key = Monitor(key)
        let last = try Self.lastNote(parts, origin)
        state = Monitor(last)
        isLastLifeUnsigned = parts.log.lastSequence > max(last.size, last.recordedAt)
        try SmallFile.publish("\(key.note)\n", as: parts.directory.checkpointKey)
    }

    var noteKey: NoteKey {
        key.peek { $0.note }
    }

    /// The newest note; nil where none was signed yet.
    var current: SignedNote? {
        state.peek { $0.note }
    }

    /// How signing goes.
    var condition: CheckpointCondition {
        let isCurrent = noteOfEverything() != nil
        return state.peek { state in
            CheckpointCondition(
                size: state.size,
                signedAt: state.signedAt,
                isCurrent: isCurrent,
                failure: state.failure,
                interval: options.interval
            )
        }
    }

    /// Signs what there is now; answered on this one's thread with the note, which is on record then.
    func request(_ answer: @escaping Answer) {
        let isStopping = state.withLock { state -> Bool in
            if !state.isStopping { state.waiting.append(answer) }
            return state.isStopping
        }
        if isStopping { answer(.failure(RegistryError(.stopping, "the registry is stopping"))) }
    }

    /// Makes a new key, which signs from then on; answered on this one's thread once that is on record.
    func rotateKey(_ answer: @escaping RotationAnswer) {
        let isStopping = state.withLock { state -> Bool in
            if !state.isStopping { state.rotations.append(answer) }
            return state.isStopping
        }
        if isStopping { answer(.failure(RegistryError(.stopping, "the registry is stopping"))) }
    }

    func stop() {
        state.withLock { $0.isStopping = true }
    }

    // MARK: Its thread

    /// Runs until ``stop()``.
    func run() {
        if isLastLifeUnsigned { _ = signIfNew() }
        while signWhenDue() {}
        let (waiting, rotations) = takeRequests()
        let stopping = RegistryError(.stopping, "the registry is stopping")
        for answer in waiting { answer(.failure(stopping)) }
        for answer in rotations { answer(.failure(stopping)) }
    }

    /// Waits for the time or a request.
    ///
    /// - Returns: whether to go on.
    private func signWhenDue() -> Bool {
        let woken = state.wait(timeout: options.interval) { state -> Bool? in
            state.isStopping ? false : state.waiting.isEmpty && state.rotations.isEmpty ? nil : true
        }
        guard woken ?? true else { return false }
        let (waiting, rotations) = takeRequests()
        for answer in rotations { answer(rotate()) }
        let result = signIfNew()
        for answer in waiting { answer(result) }
        return true
    }

    private func takeRequests() -> ([Answer], [RotationAnswer]) {
        state.quietly { state in
            defer {
                state.waiting = []
                state.rotations = []
            }
            return (state.waiting, state.rotations)
        }
    }

    /// The old key signs what there is and names its successor; that is on record before anything is signed by it.
    private func rotate() -> Result<NoteKey, RegistryError> {
        let old = key.peek { $0 }
        do {
            _ = try signIfNew().get()
            let (next, record) = try old.makeSuccessor()
            if case .failure(let error)? = putOnRecord(.checkpointKeyRotated(record)) {
                if !error.isRecorded { old.forgetSuccessor() }
                throw error
            }
            try next.takePlace()
            key.quietly { $0 = next }
            try SmallFile.publish("\(next.note)\n", as: parts.directory.checkpointKey)
            parts.notice(
                .warning("checkpoints are signed by \(next.note.short) from here on, by the word of \(old.note.short)")
            )
            _ = try signIfNew().get()
            return .success(next.note)
        } catch {
            let failure = error as? RegistryError ?? RegistryError(.logFailed, "the key could not be changed: \(error)")
            parts.notice(.error("\(failure.message)"))
            return .failure(failure)
        }
    }

    /// nil where nobody takes it any more.
    private func putOnRecord(_ kind: EventKind) -> Result<CommandOutcome, RegistryError>? {
        let outcome = Monitor<Result<CommandOutcome, RegistryError>?>(nil)
        parts.queue.enqueueUrgent(
            Submission(commands: [.record(kind)], actor: nil) { results in outcome.withLock { $0 = results.first } }
        )
        return outcome.wait(for: { $0 })
    }

    /// The digest is kept from one time to the next by the thread that signs.
    private let digest = Monitor<ViewDigest?>(nil)

    private func signIfNew() -> Result<SignedNote, RegistryError> {
        do {
            if let note = noteOfEverything() { return .success(note) }
            guard let (note, record) = try sign() else {
                return .failure(RegistryError(.overloaded, "the view is behind the log: try again"))
            }
            guard let result = putOnRecord(.checkpointed(record)) else { return .success(note) }
            let recorded = try result.get()
            state.quietly { state in
                state.recordedAt = recorded.sequence
                state.failure = nil
            }
            return .success(note)
        } catch {
            let failure =
                error as? RegistryError ?? RegistryError(.logFailed, "no checkpoint could be signed: \(error)")
            if failure.code != .stopping {
                state.quietly { $0.failure = failure.message }
                parts.notice(.error("\(failure.message)"))
            }
            return .failure(failure)
        }
    }

    /// The last note, where nothing but its own record has happened since.
    private func noteOfEverything() -> SignedNote? {
        let last = parts.log.lastSequence
        return state.peek { state in
            last == state.size || last == state.recordedAt && state.recordedAt == state.size.next ? state.note : nil
        }
    }

    /// After everything else has ended: signs all of it and appends the record itself.
    func signTheEnd(at time: Timestamp) {
        guard noteOfEverything() == nil else { return }
        do {
            guard let (_, record) = try sign() else { return }
            let event = Event(
                sequence: parts.log.lastSequence.next,
                time: time,
                actor: nil,
                kind: .checkpointed(record)
            )
            _ = try parts.log.append([EncodedEvent(event)])
            try parts.view.write { (store: inout LMDBRecordStore) in
                var changes: [ViewChange] = []
                try Projection.apply(event, to: &store, changes: &changes)
                try store.setApplied(event.sequence)
            }
        } catch {
            parts.notice(.error("the log's end could not be signed: \(error)"))
        }
    }

    // MARK: Signing

    /// nil where the view shows no moment of which the log remembers the tree: it is being caught up.
    private func sign() throws -> (SignedNote, CheckpointRecord)? {
        var digest = try self.digest.quietly { try $0.take() ?? ViewDigest() }
        let seen = try parts.view.read { snapshot -> (MerkleTree, SHA256Digest)? in
            guard snapshot.sequence > .none, let tree = try parts.log.merkleTree(at: snapshot.sequence) else {
                return nil
            }
            return (tree, try digest.update(snapshot))
        }
        self.digest.quietly { $0 = digest }
        guard let (tree, stateDigest) = seen else { return nil }
        let checkpoint = Checkpoint(origin: origin, size: SequenceNumber(tree.size), root: tree.root)
        let lastSize = state.peek { $0.size }
        guard checkpoint.size >= lastSize else {
            throw RegistryError(.logFailed, "\(lastSize) events were signed already: \(checkpoint.size) are not signed")
        }
        let key = key.peek { $0 }
        let note = try checkpoint.signed(by: key.signing)
        try SmallFile.publish(note.rendered, as: parts.directory.checkpoint)
        state.quietly { state in
            state.note = note
            state.size = checkpoint.size
            state.signedAt = parts.now()
        }
        copy(note, checkpoint.size)
        let record = CheckpointRecord(
            size: checkpoint.size,
            root: checkpoint.root.bytes,
            digestVersion: CanonicalRecord.version,
            stateDigest: stateDigest.bytes,
            origin: origin,
            publicKey: key.signing.publicKey.bytes,
            signature: note.signatures.first?.bytes ?? []
        )
        return (note, record)
    }

    /// Puts the note where the operator wants copies; a failure is told, and does not keep the note from being signed.
    private func copy(_ note: SignedNote, _ size: SequenceNumber) {
        guard let directory = options.copyDirectory else { return }
        let digits = String(size.rawValue)
        let name = String(repeating: "0", count: 20 - digits.utf8.count) + digits + ".note"
        do {
            try SmallFile.publish("\(noteKey)\n", as: directory + "/registry.vkey")
            try SmallFile.publish(note.rendered, as: directory + "/" + name)
        } catch {
            parts.notice(.error("the checkpoint of \(size) could not be copied: \(error)"))
        }
    }

    // MARK: The last life

    /// What was signed last in this epoch. The log must hold it, under the root that the note says.
    private static func lastNote(_ parts: Parts, _ origin: String) throws -> State {
        var state = State()
        guard access(parts.directory.checkpoint, F_OK) == 0 else { return state }
        let note: SignedNote
        let checkpoint: Checkpoint
        do {
            note = try SignedNote(parsing: try SmallFile.read(parts.directory.checkpoint))
            checkpoint = try Checkpoint(text: note.text)
        } catch {
            throw RegistryError(.dataDirectory, "\(parts.directory.checkpoint) is no checkpoint: \(error)")
        }
        // Another epoch's, before a restore: its history is set aside.
        guard checkpoint.origin == origin else { return state }
        let reader = try LogReader(directory: parts.directory.log, stream: .log)
        let root = checkpoint.size <= parts.log.lastSequence ? try reader.merkleRoot(at: checkpoint.size) : nil
        guard root == checkpoint.root else {
            throw RegistryError(
                .dataDirectory,
                "the log in \(parts.directory.path) does not go on from the checkpoint of \(checkpoint.size) events "
                    + "that was signed: it was cut, changed or replaced. Nothing was changed",
                hint: "hms-replay verify --data \(parts.directory.path)"
            )
        }
        state.note = note
        state.size = checkpoint.size
        // Its record, if that is the very next event.
        try reader.forEach(from: checkpoint.size.next, through: checkpoint.size.next) { event, _ in
            if case .checkpointed(let record) = event.kind, record.size == checkpoint.size {
                state.recordedAt = event.sequence
                state.signedAt = event.time
            }
            return false
        }
        return state
    }
}

public import EventLog
import OpenSSLCrypto
public import RegistryModel

/// Whether a log is what the registry wrote, and how far anybody can know.
public struct LogVerification: Sendable {
    public enum Verdict: String, Sendable {
        /// Whole, and fitting what was kept elsewhere.
        case intact
        /// Whole in itself; whoever holds the registry's key could have made all of it anew.
        case consistent
        case damaged
    }

    /// Something that is not as it should be, and where.
    public struct Problem: Sendable, Equatable {
        public var path: String
        public var offset: UInt64?
        /// The event that it concerns.
        public var sequence: SequenceNumber?
        public var what: String
    }

    /// What a checkpoint that was kept elsewhere says of this log.
    public struct Anchor: Sendable {
        public enum Standing: Sendable, Equatable {
            /// It is a prefix of this log: nothing in it was changed since it was kept.
            case holds(at: Timestamp)
            case contradicts(String)
            /// Of an epoch that a restore ended, and beyond the fork.
            case setAside(by: String)
        }

        public var path: String
        public var size: SequenceNumber
        public var standing: Standing
    }

    public struct Heartbeats: Sendable {
        public var read: UInt64 = 0
        /// Sealed segments that retention has removed; their seals stay on record.
        public var thinnedSegments: UInt64 = 0
    }

    public internal(set) var summary: LogAudit.Summary
    public internal(set) var problems: [Problem] = []
    public internal(set) var heartbeats = Heartbeats()
    public internal(set) var checkpoints: UInt64 = 0
    public internal(set) var digests: UInt64 = 0
    /// Whether events were folded into states, to compare them with those that were signed.
    public internal(set) var comparesStates = true
    /// The keys that signed, the newest last: an epoch has one, until that names another.
    public internal(set) var keys: [NoteKey] = []
    public internal(set) var isKeyTrusted = false
    public internal(set) var lastCheckpoint: CheckpointRecord?
    public internal(set) var lastCheckpointTime: Timestamp?
    public internal(set) var anchors: [Anchor] = []
    public internal(set) var restores: [(record: RestoreRecord, event: Event)] = []

    public var verdict: Verdict {
        if !problems.isEmpty { return .damaged }
        return isAnchored ? .intact : .consistent
    }

    /// A checkpoint kept elsewhere holds, or every checkpoint is signed by a key that was kept elsewhere.
    public var isAnchored: Bool {
        anchorTime != nil || isKeyTrusted && lastCheckpoint != nil
    }

    /// When the newest anchor that holds was made.
    public var anchorTime: Timestamp? {
        anchors.compactMap { anchor in
            if case .holds(let time) = anchor.standing { time } else { nil }
        }.max()
    }

    /// Checks everything that can be checked.
    ///
    /// - Parameters:
    ///   - notes: files of checkpoints that were kept elsewhere.
    ///   - trusted: public keys that were kept elsewhere.
    ///   - comparesStates: where false, only the record itself is looked at, in a fraction of the time.
    ///   - progress: bytes looked through, and in all.
    public static func run(
        _ source: AuditSource,
        notes: [String] = [],
        trusted: [NoteKey] = [],
        comparesStates: Bool = true,
        progress: (UInt64, UInt64) -> Void = { _, _ in }
    ) throws -> LogVerification {
        let kept = try notes.map { try KeptCheckpoint(path: $0) }
        let own = try? source.checkpoint.map { try KeptCheckpoint(path: $0) }
        var wanted = Set(kept.map(\.checkpoint.size))
        if let own { wanted.insert(own.checkpoint.size) }
        var audit = try LogAudit(
            directory: source.log,
            stream: .log,
            knownDurable: source.knownDurable,
            isClosed: source.isClosed
        )
        var trail: CheckpointTrail?
        var seals: [BeatsSeal] = []
        let start = try audit.start()
        let summary = try audit.run(progress: progress) { shown in
            if case .beatsSealed(let seal) = shown.event.kind { seals.append(seal) }
            guard shown.isProven, let start else { return }
            if trail == nil {
                trail = try CheckpointTrail(
                    registryID: start.identity.registryID,
                    trusted: trusted,
                    wanted: wanted,
                    start: start.tree,
                    comparesStates: comparesStates
                )
            }
            trail?.take(shown.event, leaf: shown.leaf, epoch: shown.epoch)
        }
        trail?.finish()
        var result = LogVerification(summary: summary)
        result.isKeyTrusted = !trusted.isEmpty
        result.comparesStates = comparesStates
        result.problems = summary.findings.map {
            Problem(path: $0.path, offset: $0.offset, sequence: $0.batch, what: $0.what)
        }
        result.take(trail, source)
        for checkpoint in kept { result.judge(checkpoint, trail, trusted) }
        if let own { result.judge(own: own, trail) }
        try result.judgeBeats(source, seals)
        for index in result.problems.indices {
            result.problems[index].path = source.shown(result.problems[index].path)
        }
        return result
    }

    private mutating func take(_ trail: CheckpointTrail?, _ source: AuditSource) {
        guard let trail else { return }
        checkpoints = trail.checkpoints
        digests = trail.digests
        keys = trail.keys
        lastCheckpoint = trail.lastGood
        lastCheckpointTime = trail.lastGoodTime
        restores = trail.restores
        problems += trail.problems.map {
            Problem(path: source.log, sequence: $0.sequence, what: $0.what)
        }
    }

    // MARK: Checkpoints that were kept

    private mutating func judge(_ kept: KeptCheckpoint, _ trail: CheckpointTrail?, _ trusted: [NoteKey]) {
        let standing = standing(of: kept, trail, trusted)
        anchors.append(Anchor(path: kept.path, size: kept.checkpoint.size, standing: standing))
        if case .contradicts(let why) = standing {
            problems.append(Problem(path: kept.path, sequence: kept.checkpoint.size, what: why))
        }
    }

    private func standing(
        of kept: KeptCheckpoint,
        _ trail: CheckpointTrail?,
        _ trusted: [NoteKey]
    ) -> Anchor.Standing {
        let size = kept.checkpoint.size
        guard let identity = summary.segments.last?.identity,
            let epoch = Checkpoint.epoch(ofOrigin: kept.checkpoint.origin, registry: identity.registryID)
        else { return .contradicts("this checkpoint is of another log: \(kept.checkpoint.origin)") }
        // Whether those on record are tied to the trusted ones is judged by itself.
        let known = keys + trusted
        guard known.isEmpty || known.contains(where: { kept.isSigned(by: $0.key) }) else {
            return .contradicts("this checkpoint is not signed by the registry's key")
        }
        if let restore = trail?.restores.first(where: { $0.record.parentEpoch == epoch }),
            size > restore.record.sequence
        {
            return .setAside(by: "the restore of \(restore.event.time) from \(restore.record.source)")
        }
        guard let root = trail?.roots[size], let time = trail?.times[size] else {
            if !summary.findings.isEmpty, size > summary.intactThrough {
                return .contradicts("the log is damaged before event \(size), so this checkpoint can't be compared")
            }
            return .contradicts(
                size < summary.first
                    ? "event \(size) is not held here"
                    : "the log ends with \(summary.last): the events through \(size) that it covers were cut off"
            )
        }
        guard root == kept.checkpoint.root else {
            return .contradicts("the first \(size) events are not those that were signed: history was rewritten")
        }
        return .holds(at: time)
    }

    /// The registry's own last note, beside the log: it must fit, but is no anchor.
    private mutating func judge(own: KeptCheckpoint, _ trail: CheckpointTrail?) {
        guard case .contradicts(let why) = standing(of: own, trail, []), summary.findings.isEmpty else { return }
        problems.append(Problem(path: own.path, sequence: own.checkpoint.size, what: why))
    }
}

/// A checkpoint in a file.
struct KeptCheckpoint {
    let path: String
    let note: SignedNote
    let checkpoint: Checkpoint

    init(path: String) throws {
        self.path = path
        let text = try SmallFile.read(path)
        do {
            note = try SignedNote(parsing: text)
            checkpoint = try Checkpoint(text: note.text)
        } catch {
            throw EventLogError(.malformed, "\(path): \(error.message)", path: path)
        }
    }

    /// Under its own origin, which is the key's name; what counts is the key itself.
    func isSigned(by key: VerifyingKey) -> Bool {
        (try? NoteKey(name: checkpoint.origin, key: key)).map(note.isSigned) ?? false
    }
}

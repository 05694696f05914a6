import EventLog
import Glibc
import MaterializedView
import OpenSSLCrypto
import RegistryModel
import Replay

/// Writes a data directory as a daemon would over hours, in as long as the writing takes.
struct Recorder {
    struct Snapshot {
        var instances: UInt64
        var bytes: UInt64
        var seconds: Double
        /// Of the processor.
        var processorSeconds: Double
    }

    /// Noon of 2026-01-01, in whole seconds.
    static let start = Timestamp(rawValue: 1_767_268_800_000_000_000)
    /// Events of a batch while the fleet arrives.
    private static let batch = 1_000

    private let directory: String
    private let log: SegmentedLog
    private let beatLog: BeatLog
    private let view: RegistryView
    private let origin: String
    private let key: SigningKey
    private var store: InMemoryRecordStore
    /// Are in the log, and not yet in the view.
    private var waiting: [Event] = []
    private var time = Self.start
    private(set) var snapshots: [Snapshot] = []
    private(set) var heartbeats: UInt64 = 0

    var last: SequenceNumber { log.lastSequence }

    init(_ directory: String) throws {
        self.directory = directory
        for path in ["", "/log", "/beats", "/view", "/snapshots"] { mkdir(directory + path, 0o700) }
        let identity = LogIdentity(registryID: RegistryID(rawValue: 1), epoch: Epoch(rawValue: 2))
        log = try SegmentedLog.open(
            directory: directory + "/log",
            identityIfNew: identity,
            knownDurable: .none,
            cleanStop: nil
        ).log
        beatLog = try BeatLog.open(directory: directory + "/beats", identity: identity, cleanStop: true)
        view = try RegistryView.open(directory: directory + "/view/0", access: .readWrite)
        try view.write { $0.bind(registryID: identity.registryID, epoch: identity.epoch, applied: .none) }
        store = try InMemoryRecordStore()
        origin = Checkpoint.origin(trustDomain: "gov.local", identity)
        key = try SigningKey(seed: [UInt8](repeating: 1, count: 32))
        try append([.registryStarted(version: "bench", clean: true)])
    }

    mutating func run(_ options: Fleet.Options, hours: Int, beats: Bool, snapshots: Bool) throws {
        var fleet = try Fleet(options)
        for first in stride(from: 0, to: options.instances, by: Self.batch) {
            let range = first..<min(first + Self.batch, options.instances)
            try append(fleet.arrivals(range, from: last.next))
        }
        if snapshots { try takeSnapshot() }
        var packer = HeartbeatPacker()
        for second in 0..<Int64(hours) * 3_600 {
            time = Self.start.advanced(by: .seconds(second))
            try append(fleet.events(second, time, from: last.next))
            if beats {
                fleet.beats(second, time, &packer)
                let packed = packer.pack(following: last, now: time)
                heartbeats += UInt64(packed.count)
                _ = try beatLog.append(packed, time: time.advanced(by: .milliseconds(999)))
            }
            if second % 60 == 59 { try sign() }
            guard second % 3_600 == 3_599 else { continue }
            if let seal = try beatLog.seal() { try append([.beatsSealed(seal)]) }
            if snapshots { try takeSnapshot() }
        }
        try sign()
        try catchUp()
        try log.closeCleanly()
        try beatLog.closeCleanly()
    }

    private mutating func append(_ kinds: [EventKind]) throws {
        guard !kinds.isEmpty else { return }
        var events: [Event] = []
        for kind in kinds {
            events.append(
                Event(sequence: last.advanced(by: events.count + 1), time: time, actor: Actor(.uid(1_000)), kind: kind)
            )
        }
        var changes: [ViewChange] = []
        for event in events { Projection.apply(event, to: &store, changes: &changes) }
        _ = try log.append(events.map { EncodedEvent($0) })
        waiting += events
        if waiting.count > 50_000 { try catchUp() }
    }

    private mutating func catchUp() throws {
        let events = waiting
        var changes: [ViewChange] = []
        try view.write { (lmdb: inout LMDBRecordStore) in
            for event in events { try Projection.apply(event, to: &lmdb, changes: &changes) }
            if let last = events.last { try lmdb.setApplied(last.sequence) }
        }
        waiting.removeAll(keepingCapacity: true)
    }

    private mutating func sign() throws {
        let checkpoint = Checkpoint(origin: origin, size: last, root: log.merkleRoot)
        let note = try checkpoint.signed(by: key)
        try SmallFile.publish(note.rendered, as: directory + "/checkpoint.note")
        let record = CheckpointRecord(
            size: checkpoint.size,
            root: checkpoint.root.bytes,
            digestVersion: CanonicalRecord.version,
            stateDigest: store.stateDigest().bytes,
            origin: origin,
            publicKey: key.publicKey.bytes,
            signature: note.signatures.first?.bytes ?? []
        )
        try append([.checkpointed(record)])
    }

    private mutating func takeSnapshot() throws {
        try sign()
        try catchUp()
        let path =
            directory + "/snapshots/\(time.utcText.filter { $0 != ":" })-\(snapshots.count)" + KeptSnapshots.suffix
        let clock = ContinuousClock()
        let begun = Self.processorSeconds
        var taken: SnapshotManifest?
        let duration = try clock.measure {
            taken = try SnapshotArchive.write(to: path, view: view, dataDirectory: directory)
        }
        let used = Self.processorSeconds - begun
        guard let taken else { return }
        let record = try SnapshotArchive.record(of: path, taken)
        snapshots.append(
            Snapshot(
                instances: taken.instances,
                bytes: record.bytes,
                seconds: Double(duration.components.seconds) + Double(duration.components.attoseconds) / 1e18,
                processorSeconds: used
            )
        )
        try append([.snapshotTaken(record)])
    }

    /// What this process has used so far.
    private static var processorSeconds: Double {
        var time = timespec()
        clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time)
        return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
    }
}

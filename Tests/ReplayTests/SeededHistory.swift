import EventLog
import Glibc
import MaterializedView
import RegistryModel
import Replay
import TestSupport

/// A log, the view that a daemon would have of it, and snapshots on record, of events that a seed decides.
struct SeededHistory {
    let directory: String
    private var random: SeededGenerator
    private let log: SegmentedLog
    private let view: RegistryView
    private var store: InMemoryRecordStore
    private var time = Timestamp.sample(0)
    private(set) var snapshots: [String] = []

    var data: String { directory + "/data" }
    var last: SequenceNumber { log.lastSequence }

    init(_ directory: String, seed: UInt64) throws {
        self.directory = directory
        random = SeededGenerator(seed: seed)
        for path in ["", "/data", "/data/log", "/data/view", "/data/snapshots"] { mkdir(directory + path, 0o700) }
        let identity = LogIdentity(registryID: RegistryID(rawValue: 5), epoch: Epoch(rawValue: 6))
        log = try SegmentedLog.open(
            directory: directory + "/data/log",
            identityIfNew: identity,
            knownDurable: .none,
            cleanStop: nil
        ).log
        view = try RegistryView.open(directory: directory + "/data/view/0", access: .readWrite)
        try view.write { $0.bind(registryID: identity.registryID, epoch: identity.epoch, applied: .none) }
        store = try InMemoryRecordStore()
    }

    /// Some events in one batch; now and then the log rolls behind them.
    mutating func goOn() throws {
        let count = 1 + random.below(20)
        try append((0..<count).map { _ in random.eventOfLog(store) })
        if random.oneIn(5) { try log.roll() }
    }

    /// Takes a snapshot; the log goes on a little before that is on record.
    mutating func takeSnapshot() throws {
        let path = data + "/snapshots/\(last).tar.zst"
        let manifest = try SnapshotArchive.write(to: path, view: view, dataDirectory: data)
        let record = try SnapshotArchive.record(of: path, manifest)
        try append((0..<random.below(4)).map { _ in random.eventOfLog(store) } + [.snapshotTaken(record)])
        snapshots.append(path)
    }

    mutating func append(_ kinds: [EventKind]) throws {
        var events: [Event] = []
        for kind in kinds {
            time = time.advanced(by: .seconds(Int64(random.below(7_200))))
            var kind = kind
            if case .clockStepped = kind {
                let to = time.advanced(by: .seconds(Int64(random.below(20_000)) - 10_000))
                kind = .clockStepped(from: time, to: to)
            }
            events.append(
                Event(
                    sequence: last.advanced(by: events.count + 1),
                    time: time,
                    actor: Actor(.uid(7)),
                    requestID: "r",
                    kind: kind
                )
            )
            if case .clockStepped(_, let to) = kind { time = to }
        }
        var changes: [ViewChange] = []
        try view.write { (lmdb: inout LMDBRecordStore) in
            for event in events { try Projection.apply(event, to: &lmdb, changes: &changes) }
            try lmdb.setApplied(last.advanced(by: events.count))
        }
        for event in events { Projection.apply(event, to: &store, changes: &changes) }
        _ = try log.append(events.map { EncodedEvent($0) })
    }

    func close() throws {
        try log.closeCleanly()
    }

    /// Everything is folded from the first event.
    func plain() throws -> AuditSource {
        try AuditSource(logDirectory: data + "/log")
    }

    func source() throws -> AuditSource {
        try AuditSource(dataDirectory: data)
    }
}

extension SeededGenerator {
    /// Any event that a log may hold and a daemon's door lets in; where it is about an instance, often one that is there.
    fileprivate mutating func eventOfLog(_ store: InMemoryRecordStore) -> EventKind {
        let kinds = Array(0...7) + Array(9...20)
        switch eventKind(pick(kinds)) {
        case .instanceRegistered(let asked, let health):
            var instance = Sample.instance(asked.key.service.description, asked.key.id.description)
            instance.weight = UInt32(below(100))
            instance.version = asked.version
            instance.lease = asked.lease
            instance.tags = ["größe", "\"quoted\""]
            instance.metadata = [MetadataEntry(key: "k", value: "\\ \(below(9))")]
            return .instanceRegistered(instance, health: health)
        case .instanceDeregistered(let key, let handle, let cause):
            return .instanceDeregistered(key, handle: store.state(of: key)?.handle ?? handle, cause: cause)
        case .instanceDraining(let key, let handle):
            return .instanceDraining(key, handle: store.state(of: key)?.handle ?? handle)
        case .externalServiceAdded(var instance):
            instance.externalURL = "https://api.example.org/\(below(4))"
            return .externalServiceAdded(instance)
        case .servicePolicySet(let name, _):
            return .servicePolicySet(name, MeshPolicy(retries: UInt32(below(11))))
        case .healthChanged(var change):
            if let state = store.state(of: change.key) { change.handle = state.handle }
            return .healthChanged(change)
        case let kind: return kind
        }
    }
}

import EventLog
import Glibc
import MaterializedView
import OpenSSLCrypto
public import RegistryModel

/// Makes a data directory from a snapshot. The history that it holds goes on in a new epoch, which says so itself:
/// cursors, ETags and checkpoints of the old one are not taken for its own.
public struct SnapshotRestore: Sendable {
    /// Of the new data directory.
    public let registryID: RegistryID
    public let epoch: Epoch
    /// The last event of the old epoch that is part of it.
    public let fork: SequenceNumber
    public let instances: UInt64
    /// What it was made from.
    public let snapshot: String
    /// Newer snapshots that would have done and are not whole, in words.
    public internal(set) var warnings: [String] = []

    /// Events of a batch that is taken over from another log.
    private static let batch = 1_024

    /// - Parameters:
    ///   - path: a snapshot, or a directory of them: then the newest that is whole and reaches no further than `until`.
    ///   - directory: is made; must be empty where it is there.
    ///   - newer: a log of the same registry that goes on behind the snapshot; its events are taken over.
    ///   - until: of those only the ones through this moment.
    ///   - actor: on record as who did it.
    public static func run(
        _ path: String,
        to directory: String,
        newer: AuditSource? = nil,
        until: Moment? = nil,
        epoch: Epoch,
        actor: Actor,
        now: Timestamp
    ) throws -> SnapshotRestore {
        try checkEmpty(directory)
        var warnings: [String] = []
        for candidate in try candidates(path, until, newer, &warnings) {
            do {
                var restored = try restore(candidate, to: directory, newer, until, epoch, actor, now)
                restored.warnings = warnings
                return restored
            } catch {
                guard candidate != path else { throw error }
                warnings.append("\(candidate) can't be used: \(ReplayError.text(of: error))")
            }
        }
        throw ReplayError(.unreadable, warnings.last ?? "\(path) holds no snapshot")
    }

    private static func candidates(
        _ path: String,
        _ until: Moment?,
        _ newer: AuditSource?,
        _ warnings: inout [String]
    ) throws -> [String] {
        guard WorkDirectory.isDirectory(path + "/") else { return [path] }
        let kept = KeptSnapshots(in: [path], of: try newer?.logReader().identity?.registryID)
        warnings = kept.warnings
        let found = kept.notAfter(until ?? .now).map(\.path)
        guard found.isEmpty, let oldest = kept.snapshots.last?.manifest else { return found }
        throw ReplayError(
            .notFound,
            "the oldest snapshot in \(path) can't reach back before its own time, \(oldest.time.utcText) "
                + "(\(oldest.sequence))"
        )
    }

    private static func restore(
        _ path: String,
        to directory: String,
        _ newer: AuditSource?,
        _ until: Moment?,
        _ epoch: Epoch,
        _ actor: Actor,
        _ now: Timestamp
    ) throws -> SnapshotRestore {
        let manifest = try SnapshotArchive.verify(path)
        try checkReachable(until, manifest, newer)
        try WorkDirectory.make(directory, "beats", "keys")
        do {
            try SnapshotArchive.extract(path, to: directory)
            // They speak of the epoch that ends here.
            unlink(directory + "/checkpoint.note")
            unlink(directory + "/checkpoint.vkey")
            return try begin(directory, manifest, path, newer, until, epoch, actor, now)
        } catch {
            WorkDirectory.remove(directory)
            throw error
        }
    }

    private static func checkEmpty(_ directory: String) throws {
        guard !WorkDirectory.entries(directory).isEmpty else { return }
        let segments = (try? LogReader(directory: directory + "/log", stream: .log).segments().count) ?? 0
        let registry = (try? LogReader(directory: directory + "/log", stream: .log).identity?.registryID.short) ?? nil
        let what = registry.map { "\(segments) segments, registry \($0)" } ?? "other files"
        throw ReplayError(
            .notFound,
            "\(directory) is not empty (\(what)); nothing was changed",
            hint: "restore beside it: --data \(directory).new"
        )
    }

    private static func checkReachable(_ until: Moment?, _ manifest: SnapshotManifest, _ newer: AuditSource?) throws {
        let isBefore =
            switch until {
            case .time(let time)?: time < manifest.time
            case .sequence(let sequence)?: sequence < manifest.sequence
            case .now?, nil: false
            }
        guard isBefore else { return }
        throw ReplayError(
            .notFound,
            "this snapshot can't reach back before its own time, \(manifest.time.utcText) (\(manifest.sequence))",
            hint: "take an older one: hms-reg snapshot list"
        )
    }

    private static func begin(
        _ directory: String,
        _ manifest: SnapshotManifest,
        _ path: String,
        _ newer: AuditSource?,
        _ until: Moment?,
        _ epoch: Epoch,
        _ actor: Actor,
        _ now: Timestamp
    ) throws -> SnapshotRestore {
        let identity = LogIdentity(registryID: manifest.registryID, epoch: manifest.epoch)
        let log = try SegmentedLog.open(
            directory: directory + "/log",
            identityIfNew: identity,
            knownDurable: manifest.sequence,
            cleanStop: manifest.sequence
        ).log
        var lastKnown = log.lastSequence
        if let newer { lastKnown = try takeOver(newer, until, log) }
        let fork = log.lastSequence
        let restored = RestoreRecord(
            parentEpoch: manifest.epoch,
            sequence: fork,
            root: log.merkleRoot.bytes,
            lastKnownLost: lastKnown > fork ? lastKnown : .none,
            source: String(path.split(separator: "/").last ?? "")
        )
        try log.beginEpoch(epoch)
        let event = Event(
            sequence: fork.next,
            time: max(now, log.lastTime),
            actor: actor,
            kind: .registryRestored(restored)
        )
        _ = try log.append([EncodedEvent(event)])
        let instances = try bringUp(directory, log, epoch)
        try log.closeCleanly()
        return SnapshotRestore(
            registryID: manifest.registryID,
            epoch: epoch,
            fork: fork,
            instances: instances,
            snapshot: path
        )
    }

    /// Takes over what a newer log holds, which must be the same history.
    ///
    /// - Returns: its last event.
    private static func takeOver(_ newer: AuditSource, _ until: Moment?, _ log: SegmentedLog) throws -> SequenceNumber {
        let reader = try newer.logReader()
        guard try reader.lastSequence >= log.lastSequence,
            try reader.merkleRoot(at: log.lastSequence) == log.merkleRoot
        else {
            throw ReplayError(.notFound, "\(newer.name) does not go on from this snapshot: it is another history")
        }
        let end = try until?.resolve(in: newer).sequence ?? reader.lastSequence
        var waiting: [EncodedEvent] = []
        try reader.forEach(from: log.lastSequence.next, through: end) { event, _ in
            waiting.append(EncodedEvent(event))
            if waiting.count == batch {
                _ = try log.append(waiting)
                waiting.removeAll(keepingCapacity: true)
            }
            return true
        }
        _ = try log.append(waiting)
        // Events are encoded anew: the root says whether that gave the very same bytes.
        guard try log.merkleRoot == reader.merkleRoot(at: log.lastSequence) else {
            throw ReplayError(.unreadable, "events of \(newer.name) could not be taken over as they are")
        }
        return try reader.lastSequence
    }

    /// Brings the snapshot's view up to the log, under the new epoch.
    private static func bringUp(_ directory: String, _ log: SegmentedLog, _ epoch: Epoch) throws -> UInt64 {
        let viewDirectory = directory + "/view/0"
        let view = try RegistryView.open(directory: viewDirectory, access: .readWrite)
        let applied = try view.identity()?.applied ?? .none
        try view.write { (store: inout LMDBRecordStore) in
            var changes: [ViewChange] = []
            try log.read(from: applied.next) { event, _ in
                try Projection.apply(event, to: &store, changes: &changes)
                changes.removeAll(keepingCapacity: true)
                return true
            }
            store.bind(registryID: log.identity.registryID, epoch: epoch, applied: log.lastSequence)
        }
        try view.sync()
        let instances = try view.read { UInt64(try $0.totals.health.total) }
        try ViewMark(
            isClean: true,
            sequence: log.lastSequence,
            epoch: epoch,
            root: log.merkleRoot.description,
            directory: viewDirectory
        ).write(directory: viewDirectory)
        return instances
    }
}

extension SnapshotRestore {
    /// Copies the files of a directory of keys, each readable by its owner alone.
    public static func copyKeys(_ from: String, to directory: String) throws {
        for name in WorkDirectory.entries(from) {
            let source = from + "/" + name
            var status = stat()
            guard stat(source, &status) == 0, status.st_mode & S_IFMT == S_IFREG else { continue }
            try SmallFile.publish(try SmallFile.read(source), as: directory + "/" + name)
        }
    }
}

import EventLog
import MaterializedView
import OpenSSLCrypto
import RegistryModel

/// Where a fold of history begins: at the nearest snapshot of the moment, where there is one that the log vouches for, else
/// before the first event. Both give the same answer, since a snapshot's view is the same fold, made by the daemon.
///
/// A snapshot counts only as the log itself names it: the record of its taking holds its manifest's hash, the manifest
/// that of the view. One that is damaged, changed or not on record is passed over, with a warning.
struct ReplayStart {
    let store: InMemoryRecordStore
    /// The last event that it holds.
    let sequence: SequenceNumber
    /// Clock steps and restores through there.
    let remarks: [Event]
    let warnings: [String]
    /// Which snapshot it is; nil: the beginning.
    let snapshot: String?

    /// So many events behind a snapshot's last its record is looked for: a busy registry writes fewer while it takes one.
    private static let recordWithin = 4_000_000

    static func nearest(to position: SequenceNumber, in source: AuditSource) throws -> ReplayStart {
        let reader = try source.logReader()
        let kept = KeptSnapshots(in: source.snapshots, of: try reader.identity?.registryID)
        var warnings = kept.warnings
        for candidate in kept.notAfter(.sequence(position)) {
            do {
                if let start = try at(candidate, reader, warnings) { return start }
            } catch {
                warnings.append("\(candidate.path) can't be used: \(ReplayError.text(of: error))")
            }
        }
        return ReplayStart(
            store: try InMemoryRecordStore(),
            sequence: .none,
            remarks: [],
            warnings: warnings,
            snapshot: nil
        )
    }

    /// nil for a snapshot of an earlier version, which does not say enough.
    private static func at(
        _ kept: KeptSnapshots.Kept,
        _ reader: LogReader,
        _ warnings: [String]
    ) throws -> ReplayStart? {
        guard let steps = kept.manifest.steps else { return nil }
        guard let record = try record(of: kept.manifest, reader) else {
            throw ReplayError(.unreadable, "the log does not name it as it is")
        }
        let directory = try TemporaryDirectory()
        let manifest = try SnapshotArchive.extractView(kept.path, to: directory.path)
        guard try manifest.sha256.bytes == record.manifestSHA256 else {
            throw ReplayError(.unreadable, "it changed while it was read")
        }
        let view = try RegistryView.open(directory: directory.path + "/view/0", access: .readOnly)
        let store = try view.read { snapshot in
            guard snapshot.sequence == manifest.sequence else {
                throw ReplayError(.unreadable, "its view is not the one that the manifest names")
            }
            return try InMemoryRecordStore(snapshot)
        }
        return ReplayStart(
            store: store,
            sequence: manifest.sequence,
            remarks: try steps.compactMap { try reader.event($0) },
            warnings: warnings,
            snapshot: kept.path
        )
    }

    /// What the log says of the snapshot with this very manifest.
    private static func record(of manifest: SnapshotManifest, _ reader: LogReader) throws -> SnapshotRecord? {
        let hash = try manifest.sha256.bytes
        var found: SnapshotRecord?
        try reader.forEach(
            of: [.snapshotTaken],
            from: manifest.sequence.next,
            through: manifest.sequence.advanced(by: recordWithin)
        ) { event in
            if case .snapshotTaken(let record) = event.kind, record.manifestSHA256 == hash { found = record }
            return found == nil
        }
        return found
    }
}

public import RegistryModel
import Synchronization

extension ServiceRegistry {
    /// Where snapshots go unless somebody says otherwise.
    public var snapshotDirectory: String {
        options.snapshots.directory ?? directory.path + "/snapshots"
    }

    /// One snapshot at a time.
    ///
    /// - Returns: false while another is being taken.
    public func beginSnapshot() -> Bool {
        !isSnapshotTaken.exchange(true, ordering: .acquiringAndReleasing)
    }

    public func endSnapshot() {
        isSnapshotTaken.store(false, ordering: .releasing)
    }

    /// One question to history at a time.
    ///
    /// - Returns: false while another is being answered.
    public func beginReplay() -> Bool {
        !isReplayRunning.exchange(true, ordering: .acquiringAndReleasing)
    }

    public func endReplay() {
        isReplayRunning.store(false, ordering: .releasing)
    }

    /// Puts a snapshot on record.
    public func record(_ snapshot: SnapshotRecord, actor: Actor) async throws {
        _ = try await submit(.record(.snapshotTaken(snapshot)), actor: actor)
    }
}

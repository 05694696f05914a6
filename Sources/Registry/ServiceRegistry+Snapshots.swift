public import RegistryModel
import Synchronization

extension ServiceRegistry {
    /// Where snapshots go unless somebody says otherwise.
    public var snapshotDirectory: String {
        options.snapshots.directory ?? directory.path + "/snapshots"
    }

    public var snapshotCondition: SnapshotTimes {
        snapshotTimes.withLock { $0 }
    }

    /// Remembers what became of a snapshot, or when the next one is due.
    public func noteSnapshot(_ change: (inout SnapshotTimes) -> Void) {
        snapshotTimes.withLock { change(&$0) }
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
    ///
    /// - Parameter actor: who asked for it; nil: the registry's own schedule.
    public func record(_ snapshot: SnapshotRecord, actor: Actor?) async throws {
        let result = await withCheckedContinuation { continuation in
            queue.enqueueUrgent(
                Submission(commands: [.record(.snapshotTaken(snapshot))], actor: actor) { results in
                    continuation.resume(
                        returning: results.first ?? .failure(RegistryError(.stopping, "the registry is stopping"))
                    )
                }
            )
        }
        _ = try result.get()
    }
}

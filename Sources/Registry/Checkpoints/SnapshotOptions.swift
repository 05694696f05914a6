/// Where snapshots go, and when they are taken without being asked for.
public struct SnapshotOptions: Sendable {
    /// nil: `DATA/snapshots`.
    public var directory: String?
    /// nil: only when somebody asks.
    public var interval: Duration?
    /// Of those taken on schedule, so many are kept.
    public var kept: Int

    public init(directory: String? = nil, interval: Duration? = nil, kept: Int = 24) {
        self.directory = directory
        self.interval = interval
        self.kept = kept
    }
}

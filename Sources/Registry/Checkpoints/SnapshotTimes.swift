public import RegistryModel

/// When the last snapshot was taken, and when the next one is due.
public struct SnapshotTimes: Sendable, Equatable {
    public struct Last: Sendable, Equatable {
        public var file: String
        public var sequence: SequenceNumber
        public var takenAt: Timestamp

        public init(file: String, sequence: SequenceNumber, takenAt: Timestamp) {
            self.file = file
            self.sequence = sequence
            self.takenAt = takenAt
        }
    }

    /// Verified when it was taken, as every one is; nil where none is known.
    public var last: Last?
    /// nil where none is taken without being asked for.
    public var next: Timestamp?
    /// Why the last try failed; nil where it did not.
    public var failure: String?

    public init() {}
}

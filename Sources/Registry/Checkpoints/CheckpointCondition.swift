public import RegistryModel

/// How the signing of the log goes.
public struct CheckpointCondition: Sendable, Equatable {
    /// Through which event it is signed; none where nothing was yet.
    public var size: SequenceNumber
    public var signedAt: Timestamp?
    /// Nothing has happened since.
    public var isCurrent: Bool
    /// Why the last try failed; nil where it did not.
    public var failure: String?
    /// How long what is new waits at most.
    public var interval: Duration
}

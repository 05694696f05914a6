public import EventLog
import RegistryModel

extension ServiceRegistry {
    /// The newest checkpoint; nil where none was signed yet.
    public var checkpoint: SignedNote? {
        checkpointer?.current
    }

    /// How the signing goes; nil where nothing is signed.
    public var checkpointCondition: CheckpointCondition? {
        checkpointer?.condition
    }

    /// The key to judge checkpoints by; nil where none are signed.
    public var checkpointKey: NoteKey? {
        checkpointer?.noteKey
    }

    /// Gives checkpoints a new key, by the word of the old one, and answers once that is on record.
    public func rotateCheckpointKey() async throws -> NoteKey {
        guard let checkpointer else {
            throw RegistryError(.badRequest, "this registry signs no checkpoints")
        }
        let result = await withCheckedContinuation { continuation in
            checkpointer.rotateKey { continuation.resume(returning: $0) }
        }
        return try result.get()
    }

    /// Signs what there is now, and answers once that is on record.
    public func signCheckpoint() async throws -> SignedNote {
        guard let checkpointer else {
            throw RegistryError(.badRequest, "this registry signs no checkpoints")
        }
        let result = await withCheckedContinuation { continuation in
            checkpointer.request { continuation.resume(returning: $0) }
        }
        return try result.get()
    }
}

import NIOHTTP1

extension RegistryConnection {
    /// Has the registry sign its log as it is now.
    ///
    /// - Returns: the note, as an auditor keeps it (C2SP tlog-checkpoint).
    public func signCheckpoint() async throws(RegistryClientError) -> String {
        String(decoding: try await send(.POST, "/v1/checkpoint").body, as: UTF8.self)
    }

    /// The public key that checkpoints are signed by, as a vkey.
    public func checkpointKey() async throws(RegistryClientError) -> String {
        Self.line(of: try await send(.GET, "/v1/checkpoint/key"))
    }

    /// Gives checkpoints a new key, by the word of the old one.
    ///
    /// - Returns: the new public key, as a vkey.
    public func rotateCheckpointKey() async throws(RegistryClientError) -> String {
        Self.line(of: try await send(.POST, "/v1/checkpoint/key"))
    }

    private static func line(of answer: Answer) -> String {
        String(decoding: answer.body, as: UTF8.self).split(separator: "\n").first.map { String($0) } ?? ""
    }
}

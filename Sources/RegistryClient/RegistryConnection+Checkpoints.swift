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
        let text = String(decoding: try await send(.GET, "/v1/checkpoint/key").body, as: UTF8.self)
        return text.split(separator: "\n").first.map { String($0) } ?? ""
    }
}

import NIOHTTP1
public import RegistryModel

extension RegistryConnection {
    /// Every service with all of its instances, as of a moment of the past.
    ///
    /// - Parameter moment: as `hms-reg lookup --at` takes it.
    public func registryDocument(at moment: String) async throws(RegistryClientError) -> Answer {
        try await send(.GET, "/v1/registry?at=\(PercentCoding.encoded(moment))")
    }

    /// How much happened when, in equal steps of time.
    ///
    /// - Parameters:
    ///   - since: a moment; nil: from the beginning.
    ///   - until: a moment; nil: to the last event.
    public func timelineDocument(
        since: String?,
        until: String?,
        steps: Int
    ) async throws(RegistryClientError) -> Answer {
        var path = "/v1/timeline?steps=\(steps)"
        for (name, value) in [("since", since), ("until", until)] {
            if let value { path += "&\(name)=\(PercentCoding.encoded(value))" }
        }
        return try await send(.GET, path)
    }

    /// One instance's document as the registry sent it, with how long ago it last beat.
    public func instanceDocument(_ key: InstanceKey) async throws(RegistryClientError) -> Answer {
        try await send(.GET, Self.path(of: key))
    }
}

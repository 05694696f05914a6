public import RegistryClient
public import RegistryModel

/// Leave to look at sidecars elsewhere, by an operator's certificate. Each look is on the registry's record.
public struct RemoteLook: Sendable {
    /// Whose sidecars; empty: those of all services.
    public var services: Set<ServiceName>
    /// With an operator's identity; asked for with each connection that is made.
    public var credentials: @Sendable () async throws -> RegistryCredentials

    public init(
        services: Set<ServiceName> = [],
        credentials: @escaping @Sendable () async throws -> RegistryCredentials
    ) {
        self.services = services
        self.credentials = credentials
    }
}

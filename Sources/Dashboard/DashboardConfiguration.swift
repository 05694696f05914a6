public import RegistryClient

/// What a dashboard shows, and where.
public struct DashboardConfiguration: Sendable {
    /// A loopback address: nothing else is listened on.
    public var host: String
    /// 0: one that is free.
    public var port: Int
    public var registry: RegistryAddress
    /// For a TLS door; asked for anew at each connection.
    public var credentials: @Sendable () -> RegistryCredentials?
    /// Paths of the admin sockets of this user's sidecars, asked for once a second; some may be of sidecars that ended.
    public var sidecarSockets: @Sendable () -> [String]
    /// nil: no sidecar elsewhere is asked.
    public var remote: RemoteLook?
    public var version: String

    public init(
        host: String = "127.0.0.1",
        port: Int = 9_010,
        registry: RegistryAddress,
        credentials: @escaping @Sendable () -> RegistryCredentials? = { nil },
        sidecarSockets: @escaping @Sendable () -> [String] = { [] },
        remote: RemoteLook? = nil,
        version: String
    ) {
        self.host = host
        self.port = port
        self.registry = registry
        self.credentials = credentials
        self.sidecarSockets = sidecarSockets
        self.remote = remote
        self.version = version
    }
}

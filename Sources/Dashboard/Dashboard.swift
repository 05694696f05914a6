import NIOCore

/// A web page that shows a registry and the mesh around it, served on loopback by this process alone.
///
/// You would use it to see what is failing now, who calls whom, and how the registry was at a moment of the past. It only
/// reads: of the registry what its credentials allow, of sidecars those of its own user on its own machine, and with an
/// operator's certificate those elsewhere. Only that user's browser is answered, and only under a name of loopback.
///
/// ```swift
/// let dashboard = try await Dashboard.start(configuration)
/// print("http://127.0.0.1:\(dashboard.port)")
/// try await dashboard.run()
/// ```
public struct Dashboard: Sendable {
    /// Where it listens.
    public let port: Int
    private let server: DashboardServer
    private let registry: RegistryFollower
    private let sidecars: SidecarFollower

    /// Listens; ``run()`` answers.
    ///
    /// - Throws: `address-in-use` where somebody does already; `bad-address` where it is not of loopback.
    public static func start(_ configuration: DashboardConfiguration) async throws(DashboardError) -> Dashboard {
        guard ["127.0.0.1", "::1", "localhost"].contains(configuration.host) else {
            throw DashboardError(
                .badAddress,
                "\(configuration.host) is not of loopback: a dashboard shows what its user may see, without asking who looks"
            )
        }
        let channel = try await DashboardServer.bind(host: configuration.host, port: configuration.port)
        return Dashboard(configuration, channel)
    }

    private init(
        _ configuration: DashboardConfiguration,
        _ channel: NIOAsyncChannel<DashboardServer.Connection, Never>
    ) {
        let model = DashboardModel(registry: configuration.registry)
        port = channel.channel.localAddress?.port ?? configuration.port
        sidecars = SidecarFollower(
            model: model,
            sockets: configuration.sidecarSockets,
            remote: configuration.remote
        )
        registry = RegistryFollower(
            model: model,
            address: configuration.registry,
            credentials: configuration.credentials
        )
        server = DashboardServer(
            channel: channel,
            queries: PageQueries(model: model, configuration: configuration),
            streams: PageStreams(model: model, sidecars: sidecars)
        )
    }

    /// Serves until the task is cancelled.
    public func run() async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { await registry.run() }
            group.addTask { await sidecars.run() }
            group.addTask { try await server.run() }
            defer { group.cancelAll() }
            try await group.next()
        }
    }
}

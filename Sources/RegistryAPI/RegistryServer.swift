import Glibc
import Hummingbird
import HummingbirdCore
public import Identity
public import Logging
import NIOCore
import NIOPosix
public import Registry
public import RegistryModel
import ServiceLifecycle
public import Supervision
import Synchronization
import UnixSignals

/// The daemon: log, view and registry behind their doors, from start to clean stop. `hms-regd` is flags around it.
public struct RegistryServer: Sendable {
    public struct Options: Sendable {
        public var registry: ServiceRegistry.Options
        /// Unix sockets of the operator's door; the first must be bound, the others are bound if nobody else has them.
        public var sockets: [String]
        /// Group that may use the sockets too.
        public var socketGroup: String?
        /// `host:port` of the TLS door.
        public var listen: ListenAddress?
        /// Nobody asked for this very port: where it is taken, another one is good too.
        public var mayListenElsewhere = false
        /// DNS names of the TLS door's certificate, beside `registry.<trust domain>`.
        public var names: [String]
        /// Where workloads may advertise themselves beside the address that they come from.
        public var advertiseAllow: [IPRange] = []
        /// A lapsed certificate's key is good for one new one for this long.
        public var rejoinWindow = Projection.rejoinWindow
        /// How long the phases of a change of roots last.
        public var rotation = RotationSchedule()
        /// `host:port` of the plain door.
        public var plainListen: ListenAddress?
        public var metricsListen: ListenAddress?
        /// Of the identities that the registry's authority issues.
        public var trustDomain: TrustDomain
        /// It ends by itself when nobody has needed it for so long; nil: never.
        public var idleExit: Duration?
        /// Who started this process and wants to hear how it is.
        public var manager = ServiceManager(environment: { _ in nil })

        public init(
            registry: ServiceRegistry.Options,
            trustDomain: TrustDomain,
            sockets: [String],
            socketGroup: String? = nil,
            listen: ListenAddress? = nil,
            names: [String] = [],
            plainListen: ListenAddress? = nil,
            metricsListen: ListenAddress? = nil,
            idleExit: Duration? = nil
        ) {
            self.registry = registry
            self.trustDomain = trustDomain
            self.sockets = sockets
            self.socketGroup = socketGroup
            self.listen = listen
            self.names = names
            self.plainListen = plainListen
            self.metricsListen = metricsListen
            self.idleExit = idleExit
        }
    }

    /// What the daemon says once it serves.
    public struct Ready: Sendable {
        /// `host:port` or `unix:PATH`, the most public door first.
        public var addresses: [String]
        public var dataDirectory: String
        public var sequence: UInt64
        public var instances: UInt64
    }

    /// Connections that wait to be taken: at a restart all come back at once, and who finds no room is a second late.
    private static let backlog = 4_096
    /// Connections are given this long to finish at a stop; then they are cut.
    static let stopGrace = Duration.milliseconds(1_000)

    private let options: Options
    private let logger: Logger

    public init(_ options: Options, logger: Logger) {
        self.options = options
        self.logger = logger
    }

    /// Serves until SIGTERM or SIGINT, then stops cleanly.
    ///
    /// - Parameters:
    ///   - ready: called once, when every door is open.
    ///   - fatal: the registry can't go on; the process must end at once.
    public func run(
        ready: @escaping @Sendable (Ready) -> Void,
        fatal: @escaping @Sendable (RegistryError) -> Void
    ) async throws {
        let registry = try ServiceRegistry.open(
            options.registry,
            notice: { [logger] in log($0, to: logger) },
            fatal: fatal
        )
        do {
            let authority = try RegistryAuthority(
                registry,
                trustDomain: options.trustDomain,
                schedule: options.rotation
            )
            // It may have been down for longer than an issuer lives.
            AuthorityKeeper(authority: authority, logger: logger).tend()
            do {
                try await serve(registry, authority, ready: ready)
            } catch let error as IOError where error.errnoCode == EADDRINUSE && options.mayListenElsewhere {
                // Somebody took the port between the look at it and the opening of the doors.
                try await serve(registry, authority, onAnyPort: true, ready: ready)
            }
        } catch {
            registry.stop(reason: "could not serve: \(error)")
            throw error
        }
        registry.stop(reason: "asked to stop")
        logger.info("stopped", metadata: ["sequence": "\(registry.sequence)"])
    }

    private func serve(
        _ registry: ServiceRegistry,
        _ authority: RegistryAuthority,
        onAnyPort: Bool = false,
        ready: @escaping @Sendable (Ready) -> Void
    ) async throws {
        let readiness = Readiness()
        let connections = Connections()
        let followers = LogFollowers()
        let doors = try openDoors(onAnyPort: onAnyPort)
        let tls = try options.listen.map { _ in
            try TLSDoor(registry, authority, connections, names: options.names, logger: logger)
        }
        let group = MultiThreadedEventLoopGroup(numberOfThreads: Processors.eventLoops)
        let opened = OpenedDoors(expected: doors.count)
        let activity = options.idleExit == nil ? nil : RequestActivity()
        var services: [any Service] = [ExternalProber(registry: registry, eventLoopGroup: group, logger: logger)]
        services.append(AuthorityKeeper(authority: authority, logger: logger))
        if let tls { services.append(TLSDoorKeeper(door: tls, logger: logger)) }
        for (index, door) in doors.enumerated() {
            services.append(
                application(
                    door,
                    tls,
                    registry,
                    authority,
                    connections,
                    followers,
                    readiness,
                    activity,
                    group
                ) { address in
                    if door.door == .tls, let address { authority.noteDoor(publicAddress(address)) }
                    guard let addresses = opened.note(address ?? door.address.description, at: index) else { return }
                    readiness.becomeReady(at: addresses)
                    options.manager.ready(
                        "serving at \(addresses.first ?? "no door"), \(registry.instanceCount) instances"
                    )
                    ready(
                        Ready(
                            addresses: addresses,
                            dataDirectory: registry.options.dataDirectory,
                            sequence: registry.sequence.rawValue,
                            instances: registry.instanceCount
                        )
                    )
                }
            )
        }
        services.append(SnapshotSchedule(registry: registry, logger: logger))
        if let interval = options.manager.watchdog {
            services.append(
                Watchdog(registry: registry, eventLoopGroup: group, manager: options.manager, interval: interval)
            )
        }
        // Last in, first out: watches end before the doors wait for their connections.
        services.append(WatchEnder(registry: registry, readiness: readiness, manager: options.manager))
        var parts = services.map { ServiceGroupConfiguration.ServiceConfiguration(service: $0) }
        if let limit = options.idleExit, let activity {
            let idle = IdleExit(registry: registry, activity: activity, limit: limit, logger: logger)
            parts.append(.init(service: idle, successTerminationBehavior: .gracefullyShutdownGroup))
        }
        var configuration = ServiceGroupConfiguration(
            services: parts,
            gracefulShutdownSignals: [.sigterm, .sigint],
            logger: logger
        )
        configuration.maximumGracefulShutdownDuration = Self.stopGrace
        do {
            try await ServiceGroup(configuration: configuration).run()
        } catch is CancellationError {
            // Connections that did not end in time were cut. The web framework still awaits their ends, on these event loops: they
            // go with the process.
            for door in doors { door.address.removeSocket() }
            return
        } catch {
            try? await group.shutdownGracefully()
            throw error
        }
        for door in doors { door.address.removeSocket() }
        try await group.shutdownGracefully()
    }

    /// How the TLS door is reached from elsewhere: by its first name, else its address, else this machine's name.
    private func publicAddress(_ bound: String) -> String {
        guard let colon = bound.lastIndex(of: ":") else { return bound }
        let port = bound[colon...]
        if let name = options.names.first { return name + port }
        let isWildcard = bound[..<colon] == "0.0.0.0" || bound[..<colon] == "[::]"
        return isWildcard ? MachineName.current + port : bound
    }

    private func openDoors(onAnyPort: Bool) throws -> [ListenDoor] {
        if let name = options.socketGroup, getgrnam(name) == nil {
            throw RegistryError(
                .badRequest,
                "there is no group \(name) on this machine",
                hint: "--socket-group takes one that getent group lists"
            )
        }
        var doors: [ListenDoor] = []
        if let address = options.listen {
            doors.append(ListenDoor(address: onAnyPort ? address.onFreePort : try freeAddress(address), door: .tls))
        }
        if let address = options.plainListen {
            guard address.isLoopback else {
                throw RegistryError(
                    .badRequest,
                    "the plain door \(address) is not on loopback",
                    hint: "it asks nobody who he is: --plain-listen 127.0.0.1:PORT"
                )
            }
            doors.append(ListenDoor(address: address, door: .plain))
        }
        for (index, path) in options.sockets.enumerated() {
            let address = try ListenAddress(socket: path)
            if try address.prepareSocket(isRequired: index == 0) {
                doors.append(ListenDoor(address: address, door: .operators))
            } else {
                logger.info("another registry of this user has the socket \(path)")
            }
        }
        if let address = options.metricsListen { doors.append(ListenDoor(address: address, door: .metrics)) }
        return doors
    }

    /// - Throws: `address-taken` where somebody else listens there.
    private func freeAddress(_ address: ListenAddress) throws(RegistryError) -> ListenAddress {
        guard let problem = address.problemOfBinding() else { return address }
        if problem.isTaken, options.mayListenElsewhere {
            logger.warning("\(address) is taken: the TLS door listens on a free port instead")
            return address.onFreePort
        }
        throw RegistryError(
            .addressTaken,
            "the TLS door can't listen on \(address): \(problem.text)",
            hint: "hms-regd --listen HOST:PORT, or --listen none"
        )
    }

    private func application(
        _ door: ListenDoor,
        _ tls: TLSDoor?,
        _ registry: ServiceRegistry,
        _ authority: RegistryAuthority,
        _ connections: Connections,
        _ followers: LogFollowers,
        _ readiness: Readiness,
        _ activity: RequestActivity?,
        _ group: any EventLoopGroup,
        onRunning: @escaping @Sendable (String?) -> Void
    ) -> any Service {
        let plain = RegistryChannel.Peers.plain(
            PeerCredentials(admitsGroup: options.socketGroup != nil, isUnixSocket: door.door == .operators)
        )
        let peers = door.door == .tls ? tls.map { .tls($0) } ?? plain : plain
        let socketGroup = options.socketGroup
        let ownership = Ownership(advertiseAllow: options.advertiseAllow)
        return Application(
            responder: RegistryRoutes.responder(
                registry: registry,
                authority: authority,
                connections: connections,
                followers: followers,
                door: door.door,
                readiness: readiness,
                rejoinWindow: options.rejoinWindow
            ),
            server: HTTPServerBuilder { responder in
                RegistryChannel(
                    responder: responder,
                    service: HotPathService(registry: registry, activity: activity, ownership: ownership),
                    door: door.door,
                    peers: peers,
                    connections: connections
                )
            },
            configuration: .init(
                address: door.address.bindAddress,
                serverName: nil,
                backlog: Self.backlog,
                reuseAddress: true
            ),
            onServerRunning: { [logger] channel in
                do {
                    try door.address.protectSocket(group: socketGroup)
                } catch {
                    logger.error("\(error)")
                }
                onRunning(channel.localAddress.flatMap { door.address.isSocket ? nil : ListenAddress.text(of: $0) })
            },
            eventLoopGroupProvider: .shared(group),
            logger: quietLogger
        )
    }

    /// The web framework's own lines are for debugging only.
    private var quietLogger: Logger {
        var quiet = logger
        if quiet.logLevel > .debug { quiet.logLevel = max(quiet.logLevel, .warning) }
        return quiet
    }
}

private struct ListenDoor: Sendable {
    var address: ListenAddress
    var door: Door
}

/// Gathers the doors' addresses until all are open.
private final class OpenedDoors: Sendable {
    private let addresses: Mutex<[Int: String]>
    private let expected: Int

    init(expected: Int) {
        self.expected = expected
        addresses = Mutex([:])
    }

    /// - Returns: all addresses in order, once the last is there.
    func note(_ address: String, at index: Int) -> [String]? {
        addresses.withLock { addresses in
            addresses[index] = address
            guard addresses.count == expected else { return nil }
            return addresses.sorted { $0.key < $1.key }.map(\.value)
        }
    }
}

/// Ends all watches when the daemon is asked to stop.
private struct WatchEnder: Service {
    let registry: ServiceRegistry
    let readiness: Readiness
    let manager: ServiceManager

    func run() async throws {
        // Cancelled where a door could not be opened: nobody asked to stop.
        do { try await gracefulShutdown() } catch { return }
        readiness.becomeStopping()
        manager.stopping()
        registry.endSubscriptions()
    }
}

private func log(_ notice: RegistryNotice, to logger: Logger) {
    switch notice.level {
    case .info: logger.info("\(notice.message)")
    case .warning: logger.warning("\(notice.message)")
    case .error: logger.error("\(notice.message)")
    }
}

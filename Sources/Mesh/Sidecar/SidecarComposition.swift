import Glibc
import Identity
import MeshManifest
import NIOCore
import NIOPosix
import RegistryClient
import RegistryModel

extension SidecarLoops {
    static func make(
        _ configuration: SidecarConfiguration,
        trustDomain: TrustDomain,
        log: AccessLog,
        spans: SpanExporter?,
        group: MultiThreadedEventLoopGroup,
        subscribe: @escaping @Sendable (ServiceName) -> Void
    ) async throws -> SidecarLoops {
        let settings = DataPlaneSettings(configuration, trustDomain: trustDomain)
        let resolver = OutboundResolver(targets: TargetResolver(trustDomain: trustDomain.description))
        return try await SidecarLoops(
            group: group,
            resolver: resolver
        ) { loop in
            let data = DataPlane(
                loop: loop,
                settings: settings,
                log: AccessLog.Writer(log, loop: loop),
                spans: spans,
                clock: WallClock.now,
                subscribe: subscribe
            )
            let inbound = InboundPlane(
                data: data,
                service: configuration.service,
                applicationPort: Int(configuration.applicationPort ?? 0),
                speaksHTTP2: configuration.applicationSpeaksHTTP2
            )
            return LoopState(data: data, inbound: inbound, allow: configuration.allow)
        }
    }
}

extension DataPlaneSettings {
    /// In the first seconds of a sidecar, and always in development, names may still be on their way.
    private static let patience = TimeAmount.seconds(2)
    private static let youth = TimeAmount.seconds(10)
    private static let idleTimeout = TimeAmount.minutes(5)

    init(_ configuration: SidecarConfiguration, trustDomain: TrustDomain) {
        self.init(
            caller: SPIFFEID(trustDomain: trustDomain, subject: configuration.subject).shortName,
            instance: configuration.instance,
            zone: configuration.zone,
            trustDomain: trustDomain,
            mesh: RuleSet(configuration.rules),
            upstreams: configuration.upstreams.mapValues { RuleSet($0) },
            paths: configuration.loggedPath,
            egress: configuration.egress?.map { EgressRule($0) },
            patience: Self.patience,
            patientUntil: configuration.isDevelopment ? nil : .now() + Self.youth,
            idleTimeout: Self.idleTimeout
        )
    }
}

extension RuleSet {
    fileprivate init(_ rules: Manifest.CallRules) {
        self.init(
            retries: rules.retries,
            timeout: rules.timeout.map { TimeAmount($0) },
            perTryTimeout: rules.perTryTimeout.map { TimeAmount($0) }
        )
    }
}

extension SidecarConfiguration.Outbound {
    var place: OutboundListener.Place {
        switch self {
        case .tcp(let host, let port): .tcp(host: host, port: port)
        case .unix(let path): .unix(path: path)
        }
    }
}

extension SidecarConfiguration {
    /// What the registry gets of this instance.
    ///
    /// Without an address where that shows only in the connection to the registry: see ``AdvertisedAddress``.
    func registration(_ svid: X509SVID, inboundPort: Int) throws -> Instance {
        var instance = Instance(
            key: InstanceKey(service: service, id: self.instance),
            endpoint: try Endpoint(host: fixedHost ?? Self.loopback, port: UInt16(clamping: inboundPort))
        )
        instance.appPort = applicationPort
        instance.version = version
        instance.zone = zone
        instance.tags = tags
        instance.metadata = metadata
        instance.weight = weight
        instance.applicationProtocol = applicationSpeaksHTTP2 ? "h2c" : "http1"
        instance.repeatable = repeatable
        instance.tlsCert = try svid.fingerprint
        instance.startID = String(UInt64.random(in: 0...UInt64.max), radix: 16)
        return instance
    }

    private static let loopback = "127.0.0.1"

    /// Where the inbound side listens: tried in turn, a machine may have no IPv6.
    var inboundHosts: [String] {
        if let inboundHost { return [inboundHost] }
        return registry.isOnThisMachine && advertisedHost == nil ? [Self.loopback] : ["::", "0.0.0.0"]
    }

    /// What is registered, where that does not depend on how the registry is reached.
    var fixedHost: String? {
        if let advertisedHost { return advertisedHost }
        guard let inboundHost else { return registry.isOnThisMachine ? Self.loopback : nil }
        return AdvertisedAddress.isWildcard(inboundHost) ? nil : inboundHost
    }

    /// - Parameter metricsPort: where scrapers are answered; nil: nowhere.
    func advertised(metricsPort: Int?) -> AdvertisedAddress {
        // What hms.yml says of it is not the sidecar's to change.
        let isTold = metadata.contains { $0.key == Instance.metricsKey }
        let metrics = isTold ? nil : metricsPort.flatMap { port in adminListen.map { (host: $0.host, port: port) } }
        return AdvertisedAddress(fixedHost: fixedHost, metrics: metrics)
    }
}

extension InboundListener {
    /// The next ports are tried too where that is allowed.
    private static let nextPorts = 100

    static func start(_ configuration: SidecarConfiguration, loops: SidecarLoops) async throws -> InboundListener? {
        guard configuration.applicationPort != nil else { return nil }
        let first = Int(configuration.inboundPort)
        let last = configuration.takesNextInboundPort ? min(first + nextPorts, Int(UInt16.max)) : first
        do {
            return try await start(hosts: configuration.inboundHosts, ports: Array(first...last), loops: loops)
        } catch {
            let host = configuration.inboundHost ?? configuration.inboundHosts.last ?? ""
            throw SidecarError(.inbound, on: host, first, error)
        }
    }
}

extension OutboundListener {
    /// Another free port of the same address serves too where the application is told of it.
    static func start(_ configuration: SidecarConfiguration, loops: SidecarLoops) async throws -> OutboundListener {
        guard case .tcp(let host, let port) = configuration.outbound else {
            return try await start(configuration.outbound.place, loops: loops)
        }
        do {
            return try await start(configuration.outbound.place, loops: loops)
        } catch {
            guard configuration.takesAnyOutboundPort, SidecarError.isTaken(error) else {
                throw SidecarError(.outbound, on: host, port, error)
            }
            return try await start(.tcp(host: host, port: 0), loops: loops)
        }
    }
}

extension PlainDoor {
    /// nil where none is wanted.
    static func start(_ configuration: SidecarConfiguration, loops: SidecarLoops) async throws -> PlainDoor? {
        guard configuration.opensPlainDoor, let port = configuration.applicationPort else { return nil }
        return try await start(applicationPort: port, loops: loops)
    }
}

extension InstanceID {
    /// Without what a file's name can't hold.
    var fileName: String {
        String(description.map { $0 == "/" || $0 == ":" ? "_" : $0 })
    }
}

extension SpanExporter {
    /// nil where no spans are to be kept.
    static func make(_ configuration: SidecarConfiguration, loop: any EventLoop) -> SpanExporter? {
        configuration.tracing.map { tracing in
            SpanExporter(
                tracing,
                resource: SpanBatch.Resource(
                    service: configuration.subject.shortName,
                    instance: configuration.instance.description,
                    version: configuration.version,
                    programVersion: configuration.programVersion
                ),
                loop: loop
            )
        }
    }
}

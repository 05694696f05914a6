public import Identity
public import MeshManifest
public import RegistryClient
public import RegistryModel

/// What a sidecar is told: which service it stands beside, which registry it belongs to, and by which rules it calls.
public struct SidecarConfiguration: Sendable {
    /// Where the application's calls are taken.
    public enum Outbound: Sendable, Equatable {
        /// Port 0: any free one.
        case tcp(host: String, port: Int)
        case unix(path: String)
    }

    public var service: ServiceName
    public var instance: InstanceID
    /// Who calls, where it is a person at a terminal and not the service.
    public var person: Login?
    /// How long each certificate is asked for; nil: as long as the registry gives it.
    public var certificateLife: Duration?
    public var version = ""
    public var zone = ""
    public var tags: [String] = []
    public var metadata: [MetadataEntry] = []
    public var weight = Instance.defaultWeight
    /// Routes that may be sent twice.
    public var repeatable: [String] = []

    /// Where the application listens, on loopback; nil: a sidecar that only calls.
    public var applicationPort: UInt16?
    /// The application speaks HTTP/2 without TLS.
    public var applicationSpeaksHTTP2 = false
    /// Asked with `GET` for whether the application serves; nil: whether its port answers.
    public var healthPath: String?

    public var registry: RegistryAddress
    /// For the first certificate where the registry is a TLS door; a socket needs none.
    public var joinToken: JoinToken?
    /// Identity, last known view and access log; made with mode 0700.
    public var stateDirectory: String
    /// The admin socket's place; made with mode 0700.
    public var runDirectory: String
    /// Of the access log; nil: `access.log` in ``stateDirectory``.
    public var logPath: String?

    public var outbound = Outbound.tcp(host: "127.0.0.1", port: 0)
    /// Whether a free port of the same address does too, where ``outbound`` is taken.
    public var takesAnyOutboundPort = false
    /// Where other sidecars call; nil: on loopback where the registry is on this machine, else on every address.
    public var inboundHost: String?
    /// Tried first.
    public var inboundPort: UInt16 = 0
    /// Whether the next free port does too.
    public var takesNextInboundPort = false
    /// What is registered; nil: ``inboundHost`` where that is one address, else the one that the registry is reached from.
    public var advertisedHost: String?

    public var rules = Manifest.CallRules()
    public var upstreams: [ServiceName: Manifest.CallRules] = [:]
    public var allow = PeerAuthorization.AllowList.anyone
    /// Hosts outside of the mesh that may be called; nil: all.
    public var egress: [String]?
    public var loggedPath = Manifest.LoggedPath.masked
    /// A developer's: names may come late for ever, and nothing waits long at the end.
    public var isDevelopment = false
    /// The application is called without a certificate too, on loopback alone. For a developer.
    public var opensPlainDoor = false
    /// Why the application may not be offered yet although it answers; nil: it may.
    public var objection: (@Sendable () -> String?)?
    /// Event loops.
    public var threads = 1
    /// Metrics and health alone, for scrapers.
    public var adminListen: (host: String, port: Int)?
    /// Where spans of its requests go; nil: none are kept.
    public var tracing: TracingConfiguration?
    /// As `/metrics` tells it.
    public var programVersion = ""
    /// How long requests under way may take once it stops.
    public var drainTime: Duration = .seconds(30)

    public init(
        service: ServiceName,
        instance: InstanceID,
        registry: RegistryAddress,
        stateDirectory: String,
        runDirectory: String
    ) {
        self.service = service
        self.instance = instance
        self.registry = registry
        self.stateDirectory = stateDirectory
        self.runDirectory = runDirectory
    }

    /// Whom its certificate is of.
    var subject: SPIFFEID.Subject { person.map { .user($0) } ?? .service(service) }
}

/// What a sidecar tells of itself while it runs.
public enum SidecarEvent: Sendable, Equatable {
    /// Calls are taken at this address.
    case injected(outbound: String)
    case certificateIssued(SPIFFEID, notAfter: Timestamp)
    case certificateNotRenewed(String)
    /// What is registered, and where the registry says that it is.
    case registered(Instance, registry: String)
    case healthChanged(from: Health, to: Health, detail: String)
    case registryLost(String)
    case registryBack
    /// The registry answers, and does not take this instance.
    case registrationRefused(String)
    /// A newer instance of the same id has taken over.
    case superseded
}

import Identity
import MeshManifest
import NIOCore
import RegistryModel

/// Everything that one event loop needs to pass calls on: routes, pools, timers, counters. Loops share nothing but what is
/// swapped whole (routing table, credentials) and what is only added up when somebody asks.
final class DataPlane {
    let loop: any EventLoop
    let settings: DataPlaneSettings
    let connector: Connector
    let wheel: TimerWheel
    let log: AccessLog.Writer
    /// nil where no spans are kept.
    let spans: SpanExporter?
    let kept = KeptBytes()
    let now: @Sendable () -> Timestamp
    var generator = FastGenerator()
    var metrics = MeshMetrics()

    private(set) var table = RoutingTable()
    private var services: [ServiceName: ServiceEntry] = [:]
    private var pools: [Destination: ConnectionPool] = [:]
    private var authorities: [String: ServiceName] = [:]
    /// Asks for a name that was not called before.
    private let subscribe: @Sendable (ServiceName) -> Void

    init(
        loop: any EventLoop,
        settings: DataPlaneSettings,
        log: AccessLog.Writer,
        spans: SpanExporter?,
        clock: @escaping @Sendable () -> Timestamp,
        subscribe: @escaping @Sendable (ServiceName) -> Void
    ) {
        self.loop = loop
        self.settings = settings
        self.log = log
        self.spans = spans
        self.subscribe = subscribe
        now = clock
        connector = Connector(loop: loop, clock: clock)
        wheel = TimerWheel(loop: loop)
    }

    // MARK: Services

    /// Authorities that were found to name a service, as they are written: the same few come again and again.
    private static let mostAuthorities = 1_024

    /// The service that an authority was found to name before.
    func service(named authority: String) -> ServiceName? {
        authorities[authority]
    }

    func note(_ authority: String, names service: ServiceName) {
        if authorities.count >= Self.mostAuthorities { authorities.removeAll(keepingCapacity: true) }
        authorities[authority] = service
    }

    /// What this loop knows of a service; the first call adds it, and has the registry asked for it.
    func entry(of service: ServiceName, now: NIODeadline) -> ServiceEntry {
        if let entry = services[service] {
            entry.lastUsed = now
            return entry
        }
        let entry = ServiceEntry(service: service, settings: settings, now: now)
        services[service] = entry
        if let routes = table.routes(of: service) { entry.update(routes, settings: settings, now: now) }
        subscribe(service)
        return entry
    }

    /// Takes a new table: whoever waits for a name looks again.
    func update(_ table: RoutingTable, changed: Set<ServiceName>, now: NIODeadline) {
        self.table = table
        for name in changed {
            guard let entry = services[name] else { continue }
            entry.update(table.routes(of: name), settings: settings, now: now)
            entry.wake()
        }
        prune()
    }

    /// Names that were called here, parted by whether somebody did within a while.
    func usage(within age: TimeAmount, now: NIODeadline) -> NameUsage {
        var usage = NameUsage()
        for entry in services.values {
            usage.note(entry.service, isInUse: now - entry.lastUsed < age || entry.isWaitedFor)
        }
        for (name, series) in metrics.outbound { usage.note(name, isInUse: now - series.lastEnd < age) }
        return usage
    }

    func forget(_ names: [ServiceName]) {
        for name in names { services[name] = nil }
        metrics.drop(names)
        prune()
    }

    var entries: some Collection<ServiceEntry> { services.values }

    // MARK: What is told

    /// Tells of a request that has ended.
    func note(_ record: AccessRecord) {
        log.append(record)
        if record.span != nil { spans?.offer(record) }
    }

    /// A request's trace, and the span of ours that it gets.
    func trace(_ head: RequestHead) -> (TraceContext, SpanID?) {
        let trace = TraceContext(head, using: &generator, isTraced: spans != nil)
        return (trace, spans != nil && trace.isSampled ? SpanID(using: &generator) : nil)
    }

    // MARK: Connections

    func pool(for destination: Destination) -> ConnectionPool {
        if let pool = pools[destination] { return pool }
        let pool = ConnectionPool(destination: destination, connector: connector)
        pools[destination] = pool
        return pool
    }

    /// Of all pools: of those to the application too.
    var poolLoad: ConnectionPool.Load {
        pools.values.reduce(into: ConnectionPool.Load()) { $0.add($1.load) }
    }

    func closeIdle(now: NIODeadline) {
        for pool in pools.values { pool.closeIdle(now: now) }
    }

    /// New connections come with the new credentials; the old ones are not taken again.
    func use(_ credentials: MeshCredentials) {
        connector.credentials = credentials
        for (destination, pool) in pools {
            guard case .mesh = destination else { continue }
            pool.close()
            pools[destination] = nil
        }
    }

    /// Ends pools of instances that are gone.
    private func prune() {
        var wanted: Set<Destination> = []
        for entry in services.values { wanted.formUnion(entry.destinations) }
        for (destination, pool) in pools where !wanted.contains(destination) {
            if case .app = destination { continue }
            pool.close()
            pools[destination] = nil
        }
    }

    func closeAll() {
        for pool in pools.values { pool.close() }
        pools.removeAll()
    }
}

/// What does not change while a sidecar runs.
struct DataPlaneSettings: Sendable {
    /// As the access log names whoever calls: the service, or `user/ada`.
    let caller: String
    let instance: InstanceID
    let zone: String
    let trustDomain: TrustDomain
    /// The caller's own rules, from its `mesh:` block, and for single services.
    let mesh: RuleSet
    let upstreams: [ServiceName: RuleSet]
    let paths: Manifest.LoggedPath
    /// Hosts outside of the mesh that may be called; nil: all but link-local ones (`dev`).
    let egress: [EgressRule]?
    /// How long a call waits for a name that nobody has registered yet.
    let patience: TimeAmount
    /// Until when ``patience`` holds in a production sidecar; nil: always (`dev`).
    let patientUntil: NIODeadline?
    /// Silence for this long ends a response that has begun.
    let idleTimeout: TimeAmount
}

/// A service that this loop calls.
final class ServiceEntry {
    let service: ServiceName
    let upstream: Upstream
    private(set) var rules: ResolvedRules
    private(set) var destinations: Set<Destination> = []
    /// The registry, or the last known view, has said something of this name.
    private(set) var isSettled = false
    var lastUsed: NIODeadline
    var recent = RecentCalls()
    /// Names near this one, where the registry knows none of it.
    var nearest: [String] = []
    private var waiting: [OutboundCall] = []
    /// Calls beyond those that may be under way at once, the oldest first.
    private var queued: [OutboundCall] = []

    init(service: ServiceName, settings: DataPlaneSettings, now: NIODeadline) {
        self.service = service
        upstream = Upstream(service: service, zone: settings.zone)
        rules = Self.rules(service, nil, settings)
        lastUsed = now
    }

    func update(_ routes: ServiceRoutes?, settings: DataPlaneSettings, now: NIODeadline) {
        isSettled = true
        upstream.update(routes, now: now)
        rules = Self.rules(service, routes?.policy, settings)
        destinations = Set(routes?.instances.map(\.destination) ?? [])
    }

    /// The call is told when anything changes about this name.
    func wait(_ call: OutboundCall) {
        waiting.append(call)
    }

    func stopWaiting(_ call: OutboundCall) {
        waiting.removeAll { $0 === call }
    }

    var isWaitedFor: Bool { !waiting.isEmpty || !queued.isEmpty }

    func queue(_ call: OutboundCall) {
        queued.append(call)
    }

    func leaveQueue(_ call: OutboundCall) {
        queued.removeAll { $0 === call }
    }

    /// A try has ended.
    func makeRoom() {
        guard !queued.isEmpty else { return }
        queued.removeFirst().roomFreed()
    }

    func wake() {
        let calls = waiting
        waiting.removeAll()
        for call in calls { call.routesChanged() }
    }

    private static func rules(
        _ service: ServiceName,
        _ policy: MeshPolicy?,
        _ settings: DataPlaneSettings
    ) -> ResolvedRules {
        resolve(
            call: RuleSet(),
            upstream: settings.upstreams[service] ?? RuleSet(),
            registry: policy,
            mesh: settings.mesh
        )
    }
}

extension RoutedInstance {
    var destination: Destination {
        guard let externalURL else { return .mesh(endpoint, key.service) }
        return .external(host: endpoint.host, port: Int(endpoint.port), tls: externalURL.hasPrefix("https:"))
    }
}

/// SplitMix64 (Steele, Lea and Flood, "Fast splittable pseudorandom number generators", 2014): for picks and jitter, not
/// for secrets.
struct FastGenerator: RandomNumberGenerator {
    private var state = UInt64.random(in: 0...UInt64.max)

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xbf58_476d_1ce4_e5b9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94d0_49bb_1331_11eb
        return mixed ^ (mixed >> 31)
    }
}

/// A host outside of the mesh that `mesh.egress` lists: `api.example.org`, `api.example.org:443`, `*.example.org`.
struct EgressRule: Sendable, Equatable {
    let host: String
    let isSuffix: Bool
    let port: Int?

    init(_ text: String) {
        var host = text[...]
        var port: Int?
        if let colon = text.lastIndex(of: ":"), let number = UInt16(text[text.index(after: colon)...]) {
            host = text[..<colon]
            port = Int(number)
        }
        isSuffix = host.hasPrefix("*.")
        self.host = String(isSuffix ? host.dropFirst() : host).lowercased()
        self.port = port
    }

    func allows(host name: String, port number: Int) -> Bool {
        guard port == nil || port == number else { return false }
        let name = name.lowercased()
        return isSuffix ? name.hasSuffix(host) : name == host
    }
}

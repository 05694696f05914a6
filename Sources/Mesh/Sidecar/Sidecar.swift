public import Identity
import NIOCore
import NIOPosix
import RegistryClient
import RegistryModel

/// A service's sidecar: takes the application's calls and finds whom they are for, takes other sidecars' calls and proves who
/// they are from, and keeps the instance registered while it serves.
public final class Sidecar: Sendable {
    /// How often it looks whether the certificate is due for renewal.
    private static let renewalCheck = Duration.seconds(1)
    /// How often idle connections and lapsed callers are looked after.
    private static let sweeping = Duration.seconds(2)
    /// Names that nobody called for this long are not watched any more.
    private static let unusedAge = TimeAmount.minutes(30)
    /// How often the application is asked once it serves, and before.
    private static let probing = (steady: Duration.seconds(1), starting: Duration.milliseconds(100))
    /// Before the drain ends, callers learn of it from their watches and from refusals.
    private static let farewell = Duration.seconds(1)
    private static let drainStep = Duration.milliseconds(20)

    private let configuration: SidecarConfiguration
    private let tell: @Sendable (SidecarEvent) -> Void
    private let condition: SidecarCondition
    private let loops: SidecarLoops
    private let identity: WorkloadIdentity
    private let feed: RegistryFeed
    private let subscriptions: AsyncStream<ServiceName>
    private let registrar: Registrar?
    private let outbound: OutboundListener
    private let inbound: InboundListener?
    private let plain: PlainDoor?
    private let admin: [AdminListener]
    private let log: AccessLog
    private let spans: SpanExporter?

    /// `host:port` or `unix:PATH`: what the application gets as `HMS_MESH_ADDR`.
    public var outboundAddress: String { outbound.address }
    /// Where other sidecars call, `127.0.0.1:17001`, `[::]:17001`; nil for a sidecar that only calls.
    public var inboundAddress: String? { inbound?.address }
    /// Where anybody on this machine calls without a certificate; nil: nowhere.
    public var plainPort: Int? { plain?.port }
    public let adminSocket: String
    public let trustDomain: TrustDomain
    /// From the start on.
    public let renewsIn: Duration

    // MARK: Start

    /// Has a certificate, listens, and knows what it knew last; ``run()`` does the rest.
    ///
    /// - Parameter tell: told what happens, from any thread.
    /// - Throws: `RegistryClientError` where there is no certificate yet and the registry gives none; `IdentityError`;
    ///   ``SidecarError`` where an address can't be had.
    public static func start(
        _ configuration: SidecarConfiguration,
        tell: @escaping @Sendable (SidecarEvent) -> Void
    ) async throws -> Sidecar {
        try PrivateFile.makeDirectory(configuration.stateDirectory)
        try PrivateFile.makeDirectory(configuration.runDirectory)
        let registry = RegistryAccess(configuration.registry)
        let identity = try WorkloadIdentity(
            subject: configuration.subject,
            life: configuration.certificateLife,
            registry: registry,
            joinToken: configuration.joinToken,
            directory: configuration.stateDirectory + "/identity"
        )
        let svid = try await identity.obtain(now: WallClock.now())
        let (subscriptions, subscribe) = AsyncStream<ServiceName>.makeStream()
        let log = AccessLog(path: configuration.logPath ?? configuration.stateDirectory + "/access.log")
        let group = MultiThreadedEventLoopGroup(numberOfThreads: max(1, configuration.threads))
        let spans = SpanExporter.make(configuration, loop: group.next())
        let loops = try await SidecarLoops.make(
            configuration,
            trustDomain: svid.id.trustDomain,
            log: log,
            spans: spans,
            group: group
        ) { name in
            subscribe.yield(name)
        }
        let condition = SidecarCondition()
        let credentials = CredentialUpdate(identity: identity, condition: condition, loops: loops)
        try await credentials.apply()
        let outbound = try await OutboundListener.start(configuration, loops: loops)
        let inbound = try await InboundListener.start(configuration, loops: loops)
        let plain = try await PlainDoor.start(configuration, loops: loops)
        let feed = RegistryFeed(
            registry: registry,
            own: configuration.person == nil ? configuration.service : nil,
            path: configuration.stateDirectory + "/last-known-good.json",
            outputs: outputs(loops, condition, credentials)
        )
        let reporter = SidecarReporter(
            configuration: configuration,
            condition: condition,
            loops: loops,
            identity: identity,
            feed: feed,
            log: log,
            spans: spans,
            outbound: outbound.address,
            inbound: inbound?.address ?? "-"
        )
        let socket =
            configuration.runDirectory + "/sidecar-\(configuration.service)-\(configuration.instance.fileName).sock"
        var admin = [try await AdminListener.start(socket: socket, answers: reporter.answers, group: loops.group)]
        var metricsPort: Int?
        if let (host, port) = configuration.adminListen {
            let listener = try await AdminListener.start(
                host: host,
                port: port,
                answers: reporter.answers,
                group: loops.group
            )
            metricsPort = listener.port
            admin.append(listener)
        }
        let remote = RemoteAdmin(
            answers: reporter.answers,
            registry: registry,
            instance: InstanceKey(service: configuration.service, id: configuration.instance)
        )
        loops.onEach { $0.remoteAdmin = remote }
        let registrar = try inbound.map { inbound in
            Registrar(
                registry: registry,
                instance: try configuration.registration(svid, inboundPort: inbound.port),
                at: configuration.advertised(metricsPort: metricsPort),
                tell: tell,
                clock: { offset in loops.onEach { $0.data.connector.clockOffset = offset } }
            )
        }
        tell(.injected(outbound: outbound.address))
        tell(.certificateIssued(svid.id, notAfter: svid.notAfter))
        return Sidecar(
            configuration: configuration,
            tell: tell,
            condition: condition,
            loops: loops,
            identity: identity,
            feed: feed,
            subscriptions: subscriptions,
            registrar: registrar,
            outbound: outbound,
            inbound: inbound,
            plain: plain,
            admin: admin,
            log: log,
            spans: spans,
            adminSocket: socket,
            svid: svid
        )
    }

    private init(
        configuration: SidecarConfiguration,
        tell: @escaping @Sendable (SidecarEvent) -> Void,
        condition: SidecarCondition,
        loops: SidecarLoops,
        identity: WorkloadIdentity,
        feed: RegistryFeed,
        subscriptions: AsyncStream<ServiceName>,
        registrar: Registrar?,
        outbound: OutboundListener,
        inbound: InboundListener?,
        plain: PlainDoor?,
        admin: [AdminListener],
        log: AccessLog,
        spans: SpanExporter?,
        adminSocket: String,
        svid: X509SVID
    ) {
        self.configuration = configuration
        self.tell = tell
        self.condition = condition
        self.loops = loops
        self.identity = identity
        self.feed = feed
        self.subscriptions = subscriptions
        self.registrar = registrar
        self.outbound = outbound
        self.inbound = inbound
        self.plain = plain
        self.admin = admin
        self.log = log
        self.spans = spans
        self.adminSocket = adminSocket
        trustDomain = svid.id.trustDomain
        renewsIn = max(.zero, svid.renewAfter.since(WallClock.now()))
    }

    private static func outputs(
        _ loops: SidecarLoops,
        _ condition: SidecarCondition,
        _ credentials: CredentialUpdate
    ) -> RegistryFeed.Outputs {
        RegistryFeed.Outputs(
            table: { table, changed in
                loops.onEach { $0.data.update(table, changed: changed, now: .now()) }
            },
            denied: { denied in
                guard condition.use(denied) else { return }
                Task { try await credentials.apply() }
            },
            bundle: { pem in
                Task { if await credentials.identity.use(bundle: pem) { try await credentials.apply() } }
            },
            nearest: { service, names in
                loops.onEach { $0.data.entry(of: service, now: .now()).nearest = names }
            },
            connection: { error in
                condition.registryIs(connected: error == nil, now: WallClock.now())
            }
        )
    }

    // MARK: Running

    /// Keeps everything going until its task is cancelled.
    public func run() async {
        await feed.start()
        await withTaskGroup(of: Void.self) { group in
            group.addTask { await self.follow() }
            group.addTask { await self.renew() }
            group.addTask { await self.sweep() }
            group.addTask { await self.probe() }
            if let registrar { group.addTask { await registrar.run() } }
            if let spans { group.addTask { await spans.run() } }
            await group.waitForAll()
        }
    }

    private func follow() async {
        for await name in subscriptions { await feed.add(name) }
    }

    private func renew() async {
        let credentials = CredentialUpdate(identity: identity, condition: condition, loops: loops)
        while await Task.pause(for: Self.renewalCheck) {
            if await identity.isRenewalDue(now: WallClock.now()) { await renewOnce(credentials) }
        }
    }

    private func renewOnce(_ credentials: CredentialUpdate) async {
        do {
            let svid = try await identity.renew()
            try await credentials.apply()
            await registrar?.use(tlsCert: try svid.fingerprint)
            tell(.certificateIssued(svid.id, notAfter: svid.notAfter))
        } catch {
            tell(.certificateNotRenewed("\(error)"))
        }
    }

    private func sweep() async {
        while await Task.pause(for: Self.sweeping) {
            loops.onEach { $0.sweep(now: .now()) }
            let names = await unusedNames()
            if names.isEmpty { continue }
            loops.onEach { $0.data.forget(names) }
            await feed.remove(names)
        }
    }

    /// Those that no loop has called of late.
    private func unusedNames() async -> [ServiceName] {
        let usages = try? await loops.map { $0.data.usage(within: Self.unusedAge, now: .now()) }
        let usage = (usages ?? []).reduce(into: NameUsage()) { $0.add($1) }
        return usage.unused.sorted()
    }

    /// Whether the application serves, asked again and again. One failure may be chance, unless nothing listens.
    private func probe() async {
        guard let registrar, let port = configuration.applicationPort else { return }
        let probe = HealthProbe(port: Int(port), path: configuration.healthPath, group: loops.group)
        var failures = 0
        repeat {
            switch await probe.check().unless(configuration.objection) {
            case .serves(let detail):
                failures = 0
                condition.health = .healthy
                await registrar.report(.healthy, detail: detail)
            case .fails(let detail):
                failures += 1
                if failures >= 2 { await ill(registrar, detail) }
            case .refuses(let detail):
                failures += 1
                await ill(registrar, detail)
            }
        } while await Task.pause(for: condition.health == .healthy ? Self.probing.steady : Self.probing.starting)
    }

    /// One that has not served yet is still starting.
    private func ill(_ registrar: Registrar, _ detail: String) async {
        guard condition.health != .starting else { return }
        condition.health = .unhealthy
        await registrar.report(.unhealthy, detail: detail)
    }

    /// Comes back once every event loop has turned: what hangs passes on no call.
    public func turns() async {
        _ = try? await loops.map { _ in }
    }

    // MARK: Stop

    /// Tells everybody that nothing new should come, and waits until what is under way has ended, or for the drain time.
    public func drain() async {
        condition.beginDraining()
        await registrar?.drain()
        let deadline = ContinuousClock.now + configuration.drainTime
        _ = await Task.pause(for: min(Self.farewell, configuration.drainTime))
        loops.onEach { $0.beginDraining() }
        while ContinuousClock.now < deadline {
            let underWay = (try? await loops.map { $0.inbound.inFlight }.reduce(0, +)) ?? 0
            guard underWay > 0, await Task.pause(for: Self.drainStep) else { break }
        }
        loops.onEach { $0.closeConnections() }
    }

    /// Deregisters and closes everything. Calls that the application still makes end here.
    public func stop() async {
        await registrar?.deregister()
        await feed.stop()
        await inbound?.close()
        await plain?.close()
        await outbound.close()
        for listener in admin { await listener.close() }
        _ = try? await loops.map { state in
            state.closeAll()
            state.data.log.flush()
        }
        await log.close()
        await spans?.finish()
        try? await loops.group.shutdownGracefully()
    }
}

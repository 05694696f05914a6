import RegistryClient
import RegistryModel

/// Keeps this instance registered: says at once what changed, beats while nothing does, and registers anew where the registry
/// has forgotten it.
actor Registrar {
    static let beat = Duration.seconds(10)

    private struct Superseded: Error {}

    private let registry: RegistryAccess
    private let tell: @Sendable (SidecarEvent) -> Void
    private let clock: @Sendable (ClockOffset) -> Void
    private var instance: Instance
    private let advertised: AdvertisedAddress
    private var health = Health.starting
    private var detail = ""
    private var isDraining = false
    /// What is registered is not what ``instance`` says now.
    private var isStale = true
    private let nudges: AsyncStream<Void>
    private let nudge: AsyncStream<Void>.Continuation
    private(set) var isRegistered = false
    private var isReachable = true
    /// The connection there is was made by a certificate that has been renewed since.
    private var isOutdated = false
    /// What the registry said last that it does not want.
    private var refusal = ""

    /// - Parameter clock: hears with each beat how far this machine's clock is off.
    init(
        registry: RegistryAccess,
        instance: Instance,
        at advertised: AdvertisedAddress,
        tell: @escaping @Sendable (SidecarEvent) -> Void,
        clock: @escaping @Sendable (ClockOffset) -> Void
    ) {
        self.registry = registry
        self.instance = instance
        self.advertised = advertised
        self.tell = tell
        self.clock = clock
        (nudges, nudge) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1))
    }

    /// What the probe found. The registry hears of a change at once.
    func report(_ health: Health, detail: String) {
        guard !isDraining, self.health != health else {
            self.detail = detail
            return
        }
        tell(.healthChanged(from: self.health, to: health, detail: detail))
        self.health = health
        self.detail = detail
        nudge.yield()
    }

    /// A renewed certificate: at a TLS door the instance is registered by whichever the connection shows.
    func use(tlsCert: String) {
        guard instance.tlsCert != tlsCert else { return }
        instance.tlsCert = tlsCert
        isStale = true
        isOutdated = registry.address.isTLS
        nudge.yield()
    }

    /// Beats until its task is cancelled or a newer incarnation has taken over.
    func run() async {
        let ticker = Task { [nudge] in
            while await Task.pause(for: Self.beat) { nudge.yield() }
        }
        defer { ticker.cancel() }
        nudge.yield()
        var backoff = ReconnectBackoff()
        while !Task.isCancelled {
            switch await connect() {
            case .superseded: return tell(.superseded)
            case .lost(let hadConnection):
                // A connection that ends is made anew at once: only a registry that doesn't answer is waited for.
                if hadConnection { backoff.reset() }
                guard await Task.pause(for: backoff.next(random: .random(in: 0...1))) else { return }
                nudge.yield()
            }
        }
    }

    /// Says it where it is news.
    private func condition(_ isReachable: Bool, _ why: String = "") {
        guard isReachable != self.isReachable else { return }
        self.isReachable = isReachable
        tell(isReachable ? .registryBack : .registryLost(why))
    }

    private enum Ending {
        case superseded
        case lost(hadConnection: Bool)
    }

    private func connect() async -> Ending {
        var hadConnection = false
        isOutdated = false
        do {
            try await registry.withConnection { connection in
                hadConnection = true
                condition(true)
                try await serve(connection)
            }
            return .lost(hadConnection: hadConnection)
        } catch is Superseded {
            return .superseded
        } catch {
            if !hadConnection { condition(false, "\(error)") }
            if hadConnection, let error = error as? RegistryClientError, error.isRefusal {
                refused("\(error)")
                return .lost(hadConnection: false)
            }
            return .lost(hadConnection: hadConnection)
        }
    }

    /// Says it once.
    private func refused(_ why: String) {
        guard refusal != why else { return }
        refusal = why
        tell(.registrationRefused(why))
    }

    private func serve(_ connection: RegistryConnection) async throws {
        try locate(connection)
        for await _ in nudges {
            if isDraining { continue }
            if isOutdated { return }
            if isStale { try await register(connection) }
            switch try await beat(connection) {
            case .accepted: break
            case .unknown:
                isStale = true
                nudge.yield()
            case .superseded: throw Superseded()
            }
        }
    }

    /// A machine that has moved is registered where it is now.
    private func locate(_ connection: RegistryConnection) throws {
        let before = instance
        do {
            try advertised.apply(to: &instance, localHost: connection.localHost)
        } catch {
            refused("\(error.message); --advertise HOST says where callers reach it")
            throw error
        }
        if instance != before { isStale = true }
    }

    /// Learns from it how wrong this machine's clock is.
    private func beat(_ connection: RegistryConnection) async throws -> HeartbeatAnswer.Result {
        let asked = WallClock.now()
        let answer = try await connection.heartbeat(instance.key, status: health, detail: detail)
        if let time = answer.time {
            clock(ClockOffset(registry: time, asked: asked, answered: WallClock.now()))
        }
        return answer.result
    }

    private func register(_ connection: RegistryConnection) async throws {
        _ = try await connection.register(Registration(instance: instance, health: health))
        isStale = false
        refusal = ""
        guard !isRegistered else { return }
        isRegistered = true
        tell(.registered(instance, registry: try await registryName(connection)))
    }

    /// Where the registry says that it listens; its socket where it says nothing.
    private func registryName(_ connection: RegistryConnection) async throws -> String {
        let status = try await connection.status()
        return status.address.isEmpty ? registry.address.description : status.address
    }

    /// Tells everybody that nothing new should come.
    func drain() async {
        isDraining = true
        health = .draining
        let key = instance.key
        _ = try? await registry.withConnection(timeout: .seconds(2)) { try await $0.drain(key) }
    }

    func deregister() async {
        let key = instance.key
        _ = try? await registry.withConnection(timeout: .seconds(2)) { try await $0.deregister(key) }
    }
}

import Identity
import RegistryClient
import RegistryModel

/// Keeps the routing table: watches the services that this sidecar calls, and keeps what it was told on disk. Its own
/// service is always among them: whoever only serves must hear of revocations too.
actor RegistryFeed {
    static let mostServices = 512
    /// Names that are asked for together are watched together.
    private static let gathering = Duration.milliseconds(2)
    private static let saveDelay = Duration.seconds(1)
    /// How long names to offer may take to come.
    private static let nearestPatience = Duration.seconds(1)

    struct Outputs: Sendable {
        var table: @Sendable (RoutingTable, Set<ServiceName>) -> Void
        var denied: @Sendable (DenyList) -> Void
        /// PEM of the roots to believe.
        var bundle: @Sendable (String) -> Void
        /// Names near one that the registry does not know.
        var nearest: @Sendable (ServiceName, [String]) -> Void
        /// nil: connected.
        var connection: @Sendable (RegistryClientError?) -> Void
    }

    private let registry: RegistryAccess
    /// The service that this sidecar stands beside, if there is one.
    private let own: Set<ServiceName>
    private let path: String
    private let outputs: Outputs
    private var names: Set<ServiceName>
    private var table = RoutingTable()
    private var known: LastKnownGood
    private var watch: Task<Void, Never>?
    private var restart: Task<Void, Never>?
    private var saving: Task<Void, Never>?

    /// - Parameters:
    ///   - own: the service that this sidecar stands beside; nil where it stands beside none.
    ///   - path: of the file that keeps what was known last.
    init(registry: RegistryAccess, own: ServiceName?, path: String, outputs: Outputs) {
        self.registry = registry
        self.own = Set([own].compactMap(\.self))
        names = self.own
        self.path = path
        self.outputs = outputs
        known = LastKnownGood.load(from: path) ?? LastKnownGood()
    }

    var sequence: SequenceNumber { table.sequence }

    /// Begins with what was known last: the deny list at once, services when they are called.
    func start() {
        outputs.denied(known.denied)
        if let bundle = known.bundle { outputs.bundle(bundle) }
        scheduleRestart()
        let messages = known.messages
        guard !messages.isEmpty else { return }
        for message in messages { table.apply(message, sequence: known.sequence) }
        names = Set(known.services.keys.prefix(Self.mostServices - 1)).union(own)
        outputs.table(table, names)
    }

    /// Adds a name to those that are watched.
    func add(_ name: ServiceName) {
        guard names.count < Self.mostServices, names.insert(name).inserted else { return }
        scheduleRestart()
    }

    /// What nobody calls any more.
    func remove(_ unused: [ServiceName]) {
        let gone = names.intersection(unused).subtracting(own)
        guard !gone.isEmpty else { return }
        names.subtract(gone)
        for name in gone {
            known.services[name] = nil
            table.forget(name)
        }
        scheduleRestart()
        scheduleSave()
    }

    func stop() {
        restart?.cancel()
        watch?.cancel()
        saving?.cancel()
        save()
    }

    // MARK: Watching

    private func scheduleRestart() {
        restart?.cancel()
        restart = Task {
            guard await Task.pause(for: Self.gathering) else { return }
            begin()
        }
    }

    private func begin() {
        watch?.cancel()
        guard !names.isEmpty else { return }
        let stream = WatchStream(
            address: registry.address,
            credentials: { [registry] in registry.credentials },
            services: names.sorted()
        )
        watch = Task {
            let (events, continuation) = AsyncStream<Event>.makeStream()
            let pump = Task { await Self.follow(stream, into: continuation) }
            for await event in events { take(event) }
            pump.cancel()
        }
    }

    private enum Event: Sendable {
        case connection(WatchStream.Connection)
        case message(WatchMessage)
    }

    private static func follow(_ stream: WatchStream, into events: AsyncStream<Event>.Continuation) async {
        // Only a refusal ends one: the registry may be one that does not know us yet.
        repeat { await follow(once: stream, into: events) } while await Task.pause(for: .seconds(1))
    }

    private static func follow(once stream: WatchStream, into events: AsyncStream<Event>.Continuation) async {
        do {
            try await stream.run(
                onConnection: { events.yield(.connection($0)) },
                onMessage: { message, _ in events.yield(.message(message)) }
            )
        } catch let error as RegistryClientError {
            events.yield(.connection(.lost(error)))
        } catch {
            // Cancelled: another watch takes over.
        }
    }

    private func take(_ event: Event) {
        switch event {
        case .connection(.connected): outputs.connection(nil)
        case .connection(.lost(let error)): outputs.connection(error)
        case .message(let message): take(message)
        }
    }

    private func take(_ message: WatchMessage) {
        known.apply(message)
        switch message {
        case .denied:
            outputs.denied(known.denied)
            return scheduleSave()
        case .bundle(let pem):
            outputs.bundle(pem)
            return scheduleSave()
        default: break
        }
        table.apply(message, sequence: message.sequence ?? table.sequence)
        known.sequence = table.sequence
        guard let service = message.service else { return }
        scheduleSave()
        guard !own.contains(service), let routes = table.routes(of: service), !routes.isKnown else {
            return outputs.table(table, [service])
        }
        // Calls that wait for the name hear with its absence what else may have been meant.
        Task {
            await askNearest(service)
            outputs.table(table, [service])
        }
    }

    /// What the registry offers instead of a name that it does not know.
    private func askNearest(_ service: ServiceName) async {
        do {
            _ = try await registry.withConnection(timeout: Self.nearestPatience) { try await $0.lookup(service) }
        } catch let error as RegistryClientError where error.code == .unknownService {
            outputs.nearest(service, error.nearest)
        } catch {
            // Away: there are no names to offer then.
        }
    }

    // MARK: Keeping

    private func scheduleSave() {
        guard saving == nil else { return }
        saving = Task {
            guard await Task.pause(for: Self.saveDelay) else { return }
            saving = nil
            save()
        }
    }

    private func save() {
        // A disk that takes nothing costs a restart its memory, and no call anything.
        try? known.save(to: path)
    }
}

extension WatchMessage {
    fileprivate var service: ServiceName? {
        switch self {
        case .reset, .denied, .bundle: nil
        case .service(let name, _, _, _), .policy(let name, _): name
        case .upsert(let instance): instance.instance.key.service
        case .remove(let key): key.service
        }
    }

    /// The newest event that the message shows; nil where it shows none.
    fileprivate var sequence: SequenceNumber? {
        switch self {
        case .reset, .denied, .bundle, .policy, .remove: nil
        case .service(_, let instances, _, _): instances.map(\.sequence).max()
        case .upsert(let instance): instance.sequence
        }
    }
}

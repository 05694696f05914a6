import ArgumentParser
import Glibc
import Identity
import Mesh
import MeshManifest
import RegistryClient
import RegistryModel
import Synchronization
import Terminal

/// Follows the sidecars of a service wherever they are, found through the registry, by an operator's certificate.
struct RemoteTail: Sendable {
    /// How often the registry is asked for the service's instances.
    private static let rescan = Duration.seconds(1)
    /// Sidecars at once: their lines all come to one screen.
    private static let mostSidecars = 64

    let service: ServiceName
    let query: TailQuery
    let printer: TailPrinter
    let output: Output
    private let address: RegistryAddress
    private let credentials: OperatorCredentials
    private let watched = RemoteSidecars()

    /// - Throws: exit code 3 where no registry is found, 4 where there is no certificate.
    init(
        service: ServiceName,
        registry: String?,
        query: TailQuery,
        printer: TailPrinter,
        output: Output
    ) async throws {
        self.service = service
        self.query = query
        self.printer = printer
        self.output = output
        guard let address = try Examination.registry(registry, usedBySidecar: nil, try Manifest.forCommand()) else {
            throw CommandError(
                "No registry is named, and no socket answers: --remote finds sidecars through one",
                hint: "hms-mesh tail --remote --service \(service) --registry https://reg.gov.local:9000",
                exitCode: .unreachable
            )
        }
        self.address = address
        credentials = OperatorCredentials(at: address)
        _ = try await credentials.current()
    }

    // MARK: Following

    /// Until its task is cancelled, or whoever reads has gone.
    func run() async throws {
        try await look()
        await withDiscardingTaskGroup { group in
            while !Task.isCancelled, !Output.isReaderGone {
                for instance in watched.due(most: Self.mostSidecars) { group.addTask { await follow(instance) } }
                try? await Task.sleep(for: Self.rescan)
                let news = watched.news()
                if !news.isEmpty { printer.note(news, of: "of \(service), by \(RemoteSidecar.protocolName)") }
                printer.tick()
                await lookAgain()
            }
            group.cancelAll()
        }
    }

    private func look() async throws {
        do {
            let own = try await credentials.current()
            let found = try await RegistryConnection.withConnection(to: address, credentials: own) {
                try await $0.lookup(service, LookupFilter(all: true))
            }
            watched.use(found.instances.filter { $0.instance.externalURL == nil })
        } catch let error as RegistryClientError {
            let exitCode: ExitCode = error.code == .unknownService ? .notSo : .unreachable
            throw CommandError(error.message, hint: error.hint, exitCode: error.isRefusal ? .notAllowed : exitCode)
        }
    }

    /// The registry may be away for a while: what is being followed goes on.
    private func lookAgain() async {
        _ = try? await bounded(Self.rescan) { try await look() }
    }

    private func follow(_ instance: RegisteredInstance) async {
        let key = instance.instance.key
        let source = TailSource(service: key.service.description, id: key.id.description)
        var query = query
        if printer.form == .tree { query = TailQuery() }
        do {
            let caller = try SidecarCaller(
                remote: RemoteSidecar(endpoint: instance.instance.endpoint, service: key.service),
                credentials: try await credentials.current()
            )
            try await caller.lines(
                SidecarCaller.Request(path: query.target),
                onBegin: { watched.began(source) },
                { line in printer.take(line, from: source, unlessFrom: watched.services) }
            )
            _ = watched.ended(source, because: nil)
        } catch let error as SidecarError {
            tell(watched.ended(source, because: error.message), source)
        } catch {
            tell(watched.ended(source, because: "\(error)"), source)
        }
    }

    /// A reason is told once, not with each try.
    private func tell(_ reason: String?, _ source: TailSource) {
        guard let reason else { return }
        output.note(output.errorStyle.yellow("\(output.symbols.warning) \(source): \(reason)"))
    }
}

/// The sidecars of a service, those that are followed and those that can't be.
private final class RemoteSidecars: Sendable {
    private struct State {
        var found: [TailSource: RegisteredInstance] = [:]
        var following: Set<TailSource> = []
        var connected: Set<TailSource> = []
        var told: [TailSource: String] = [:]
        var news: [TailNews] = []
        var hasBegun = false
    }

    private let state = Mutex(State())

    var services: Set<String> { state.withLock { Set($0.connected.map(\.service)) } }

    func use(_ instances: [RegisteredInstance]) {
        let found = instances.map { instance in
            let key = instance.instance.key
            return (TailSource(service: key.service.description, id: key.id.description), instance)
        }
        state.withLock { $0.found = Dictionary(found) { $1 } }
    }

    /// Those that nobody follows yet.
    func due(most: Int) -> [RegisteredInstance] {
        state.withLock { state in
            let free = state.found.filter { !state.following.contains($0.key) }
                .sorted { $0.key.id < $1.key.id }.prefix(max(0, most - state.following.count))
            state.following.formUnion(free.map(\.key))
            return free.map(\.value)
        }
    }

    func began(_ source: TailSource) {
        state.withLock { state in
            state.connected.insert(source)
            state.told[source] = nil
            if state.hasBegun { state.news.append(.came(source, now: state.connected.count)) }
        }
    }

    /// - Returns: the reason, where it was not told yet.
    func ended(_ source: TailSource, because reason: String?) -> String? {
        state.withLock { state in
            state.following.remove(source)
            if state.connected.remove(source) != nil {
                state.news.append(.stopped(source, now: state.connected.count))
                return nil
            }
            guard let reason, state.told[source] != reason else { return nil }
            state.told[source] = reason
            return reason
        }
    }

    func news() -> [TailNews] {
        state.withLock { state in
            guard state.hasBegun else {
                state.hasBegun = !state.connected.isEmpty
                state.news = []
                return state.hasBegun ? [.began(state.connected.count)] : []
            }
            defer { state.news = [] }
            return state.news
        }
    }
}

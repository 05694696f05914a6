import Mesh
import RegistryModel
import Synchronization
import Terminal

/// Follows all sidecars of this user on this machine, whichever there are.
struct LocalTail: Sendable {
    /// How often new sidecars are looked for.
    private static let rescan = Duration.milliseconds(250)
    /// What a sidecar that is there may take to say so before the others are shown.
    private static let patience = Duration.milliseconds(500)

    let query: TailQuery
    let printer: TailPrinter
    private let watched = WatchedSidecars()

    init(query: TailQuery, printer: TailPrinter) {
        self.query = query
        self.printer = printer
    }

    /// Until its task is cancelled, or whoever reads has gone.
    func run() async {
        await withTaskGroup(of: String?.self) { group in
            for socket in SidecarSockets.all() {
                group.addTask { await SidecarStatus.promptly(of: socket, within: Self.patience)?.service }
            }
            for await service in group { if let service { watched.expect(service) } }
        }
        await withDiscardingTaskGroup { group in
            while !Task.isCancelled, !Output.isReaderGone {
                for socket in SidecarSockets.all() where watched.begin(socket) {
                    group.addTask { await follow(socket) }
                }
                try? await Task.sleep(for: Self.rescan)
                tellNews()
                printer.tick()
            }
            group.cancelAll()
        }
    }

    private func tellNews() {
        guard let news = watched.news() else { return }
        printer.note(news)
        guard case .began = news.first else { return }
        printer.note(Self.strangers(to: watched.services, in: query))
    }

    /// Services that are asked for, and none of whose sidecars is here. Others may call them all the same.
    static func strangers(to services: Set<String>, in query: TailQuery) -> [TailNews] {
        var names: [String] = []
        for name in [query.service, query.from].compactMap(\.self) where !names.contains(name) { names.append(name) }
        return names.filter { !services.contains($0) && !$0.hasPrefix("user/") }.map { name in
            .isElsewhere(service: name, near: NearestName.matches(for: name, in: services, limit: 1).first)
        }
    }

    private func follow(_ socket: String) async {
        do {
            let caller = try SidecarCaller(address: "unix:\(socket)")
            guard let status = await SidecarStatus.promptly(of: socket) else { return watched.ended(socket) }
            let source = TailSource(service: status.service, id: status.id)
            var query = query
            query.knownCallers = watched.services
            if printer.form == .tree { query = TailQuery() }
            watched.began(socket, source)
            try await caller.lines(SidecarCaller.Request(path: query.target)) { line in
                printer.take(line, from: source, unlessFrom: watched.services)
            }
        } catch {
            // It has ended, or is one that was killed: said where it was there before.
        }
        watched.ended(socket)
    }
}

/// Whose line it is.
struct TailSource: Sendable, Hashable, CustomStringConvertible {
    let service: String
    let id: String

    var description: String { "\(service)/\(id)" }
}

/// What there is to say of the sidecars that are looked at.
enum TailNews: Equatable {
    /// Nobody is there yet.
    case none
    case began(Int)
    /// No sidecar is of a service that is asked for.
    case isElsewhere(service: String, near: String?)
    case came(TailSource, now: Int)
    case stopped(TailSource, now: Int)
}

/// Which sidecars are being watched.
private final class WatchedSidecars: Sendable {
    private struct State {
        var sockets: Set<String> = []
        var sources: [String: TailSource] = [:]
        /// Services that are there, and whose lines will come.
        var expected: Set<String> = []
        var news: [TailNews] = []
        var hasBegun = false
        var saidNone = false
    }

    private let state = Mutex(State())

    var services: Set<String> { state.withLock { $0.expected.union($0.sources.values.map(\.service)) } }

    func expect(_ service: String) {
        state.withLock { _ = $0.expected.insert(service) }
    }

    func begin(_ socket: String) -> Bool {
        state.withLock { $0.sockets.insert(socket).inserted }
    }

    func began(_ socket: String, _ source: TailSource) {
        state.withLock { state in
            state.sources[socket] = source
            if state.hasBegun { state.news.append(.came(source, now: state.sources.count)) }
        }
    }

    func ended(_ socket: String) {
        state.withLock { state in
            state.sockets.remove(socket)
            guard let source = state.sources.removeValue(forKey: socket) else { return }
            if !state.sources.values.contains(where: { $0.service == source.service }) {
                state.expected.remove(source.service)
            }
            if state.hasBegun { state.news.append(.stopped(source, now: state.sources.count)) }
        }
    }

    /// What has not been told yet.
    func news() -> [TailNews]? {
        state.withLock { state in
            guard state.hasBegun else {
                state.hasBegun = !state.sources.isEmpty
                if state.hasBegun { return [.began(state.sources.count)] }
                defer { state.saidNone = true }
                return state.saidNone ? nil : [TailNews.none]
            }
            defer { state.news = [] }
            return state.news.isEmpty ? nil : state.news
        }
    }
}

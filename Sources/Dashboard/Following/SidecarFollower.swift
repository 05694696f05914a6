import Mesh
import RegistryClient
import RegistryModel

/// Hears once a second from sidecars how they are, and what they have counted: from this user's own on this machine, and,
/// with an operator's certificate, from those elsewhere that the registry knows.
actor SidecarFollower {
    private struct Known {
        var status: SidecarStatus
        var window: TrafficWindow
        var heardAt: ContinuousClock.Instant
    }

    /// A sidecar that answered lately, and whose it is.
    struct Name: Sendable {
        var source: SidecarSource
        var service: String
        var id: String
    }

    /// Of more than these the rest is left out.
    static let mostSidecars = 512
    static let mostRemote = 128
    private static let period = Duration.seconds(1)
    /// The registry's instances are looked through every so many periods.
    private static let rescanEvery = 5
    /// Who has said nothing for so long is not shown.
    private static let silence = Duration.seconds(5)
    /// Who has said nothing for so long is let go of: connecting and being let in take their time.
    private static let patience = Duration.seconds(10)

    private let model: DashboardModel
    private let sockets: @Sendable () -> [String]
    private let remote: RemoteLook?
    private var following: Set<SidecarSource> = []
    private var known: [SidecarSource: Known] = [:]
    private var silent: [SidecarSource: SilentSidecar] = [:]
    private var elsewhere: (found: [SidecarSource], leftOut: Int) = ([], 0)
    private var rounds = 0
    private var leftOut = 0

    init(model: DashboardModel, sockets: @escaping @Sendable () -> [String], remote: RemoteLook? = nil) {
        self.model = model
        self.sockets = sockets
        self.remote = remote
    }

    /// Until the task is cancelled.
    func run() async {
        await withDiscardingTaskGroup { group in
            repeat {
                for source in unfollowed() { group.addTask { await self.follow(source) } }
                model.take(report())
            } while await Task.pause(for: Self.period)
            group.cancelAll()
        }
    }

    func answering() -> [Name] {
        shown.map { Name(source: $0.key, service: $0.value.status.service, id: $0.value.status.id) }
    }

    /// Asks a sidecar something else.
    nonisolated func caller(for source: SidecarSource) async throws -> SidecarCaller {
        try await source.caller(remote)
    }

    // MARK: Whom to follow

    private func unfollowed() -> [SidecarSource] {
        let local = sockets().map { SidecarSource.local(socket: $0) }
        // Those on this machine are heard of first: none is asked by both ways.
        if rounds > 0 { findElsewhere() }
        rounds += 1
        let now = ContinuousClock.now
        let unfollowed = local.filter { !following.contains($0) }
        let found = unfollowed.prefix(max(0, Self.mostSidecars - following.count { $0.key == nil }))
        let due = elsewhere.found.filter { !following.contains($0) && silent[$0]?.isDue(now) ?? true }
        following.formUnion(found)
        following.formUnion(due)
        leftOut = unfollowed.count - found.count + elsewhere.leftOut
        return found + due
    }

    private func findElsewhere() {
        guard let remote, rounds % Self.rescanEvery == 1 else { return }
        let services = model.read { $0.mirror.services }
        let here = localKeys
        elsewhere = RegistryMirror.sidecars(among: services, of: remote.services, limit: Self.mostRemote)
        elsewhere.found.removeAll { $0.key.map(here.contains) ?? false }
        let there = Set(elsewhere.found)
        silent = silent.filter { there.contains($0.key) }
    }

    private var localKeys: Set<InstanceKey> {
        Set(
            known.compactMap { source, known in
                guard source.key == nil, let service = try? ServiceName(known.status.service),
                    let id = try? InstanceID(known.status.id)
                else { return nil }
                return InstanceKey(service: service, id: id)
            }
        )
    }

    // MARK: What is shown

    /// Once each: on this machine by its socket.
    private var shown: [SidecarSource: Known] {
        let here = localKeys
        return known.filter { source, _ in source.key.map { !here.contains($0) } ?? true }
    }

    private func report() -> TrafficReport {
        let now = ContinuousClock.now
        known = known.filter { $0.value.heardAt.duration(to: now) < Self.silence }
        let sources = shown.map { source, known in
            TrafficReport.Source(status: known.status, recent: known.window.recent(), isRemote: source.key != nil)
        }
        let silent = silent.compactMap { source, silent in
            source.key.map { TrafficReport.Silent(key: $0, reason: silent.reason) }
        }
        return TrafficReport(sources, silent: silent, leftOut: leftOut)
    }

    // MARK: Following

    /// One sidecar, until it answers no more: each has a task of its own, so that one that hangs holds up nobody.
    private nonisolated func follow(_ source: SidecarSource) async {
        var reason = "it has ended"
        do {
            let caller = try await caller(for: source)
            let begin = ContinuousClock.now
            try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask { try await self.hear(caller, source) }
                group.addTask { await self.waitForSilence(of: source, since: begin) }
                defer { group.cancelAll() }
                try await group.next()
            }
        } catch let error as SidecarError {
            reason = error.message
        } catch let error as RegistryClientError {
            reason = error.message
        } catch {
            reason = "\(error)"
        }
        await ended(source, because: reason)
    }

    private nonisolated func hear(_ caller: SidecarCaller, _ source: SidecarSource) async throws {
        let (heard, continuation) = AsyncStream<SidecarFigures>.makeStream(bufferingPolicy: .bufferingNewest(1))
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask {
                defer { continuation.finish() }
                try await caller.figures { continuation.yield($0) }
            }
            for await figures in heard { await take(figures, from: source) }
            try await group.waitForAll()
        }
    }

    private nonisolated func waitForSilence(of source: SidecarSource, since begin: ContinuousClock.Instant) async {
        while await Task.pause(for: Self.period) {
            let last = await known[source]?.heardAt ?? begin
            if last.duration(to: .now) > Self.patience { return }
        }
    }

    private func take(_ figures: SidecarFigures, from source: SidecarSource) {
        let now = ContinuousClock.now
        var window = known[source]?.window ?? TrafficWindow()
        window.take(MetricsReading(figures.metrics), at: now)
        known[source] = Known(status: figures.status, window: window, heardAt: now)
        silent[source] = nil
    }

    private func ended(_ source: SidecarSource, because reason: String) {
        following.remove(source)
        known[source] = nil
        // One on this machine may be a file that was left behind: looked at again with the next round.
        guard source.key != nil, elsewhere.found.contains(source) else { return }
        let now = ContinuousClock.now
        if silent[source] == nil {
            silent[source] = SilentSidecar(reason: reason, now: now)
        } else {
            silent[source]?.failedAgain(reason, now: now)
        }
    }
}

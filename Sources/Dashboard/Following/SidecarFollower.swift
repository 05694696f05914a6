import Mesh

/// Asks this user's sidecars once a second how they are, and what they have counted.
actor SidecarFollower {
    private struct Known {
        var status: SidecarStatus
        var window: TrafficWindow
        var heardAt: ContinuousClock.Instant
    }

    /// A sidecar that answered lately, and whose it is.
    struct Name: Sendable {
        var socket: String
        var service: String
        var id: String
    }

    /// Of more than these the rest is left out.
    static let mostSidecars = 512
    private static let period = Duration.seconds(1)
    /// Who has said nothing for so long is not shown.
    private static let silence = Duration.seconds(5)

    private let model: DashboardModel
    private let sockets: @Sendable () -> [String]
    private var following: Set<String> = []
    private var known: [String: Known] = [:]
    private var leftOut = 0

    init(model: DashboardModel, sockets: @escaping @Sendable () -> [String]) {
        self.model = model
        self.sockets = sockets
    }

    /// Until the task is cancelled.
    func run() async {
        await withDiscardingTaskGroup { group in
            repeat {
                for socket in unfollowed() { group.addTask { await self.follow(socket) } }
                model.take(report())
            } while await Task.pause(for: Self.period)
            group.cancelAll()
        }
    }

    func answering() -> [Name] {
        known.map { Name(socket: $0.key, service: $0.value.status.service, id: $0.value.status.id) }
    }

    private func unfollowed() -> [String] {
        let unfollowed = sockets().filter { !following.contains($0) }
        let found = unfollowed.prefix(max(0, Self.mostSidecars - following.count))
        following.formUnion(found)
        leftOut = unfollowed.count - found.count
        return Array(found)
    }

    private func report() -> TrafficReport {
        let now = ContinuousClock.now
        known = known.filter { $0.value.heardAt.duration(to: now) < Self.silence }
        let sources = known.values.map { TrafficReport.Source(status: $0.status, recent: $0.window.recent()) }
        return TrafficReport(sources, leftOut: leftOut)
    }

    /// One sidecar, until it answers no more: each has a task of its own, so that one that hangs holds up nobody.
    private nonisolated func follow(_ socket: String) async {
        do {
            let caller = try SidecarCaller(address: "unix:\(socket)")
            repeat {
                let status = try await caller.call(SidecarCaller.Request(path: "/status"))
                let metrics = try await caller.call(SidecarCaller.Request(path: "/metrics"))
                await heard(
                    socket,
                    try SidecarStatus(parsing: status.body),
                    MetricsReading(String(decoding: metrics.body, as: UTF8.self))
                )
            } while await Task.pause(for: Self.period)
        } catch {
            // It has ended, or is a file that one left behind: looked at again with the next round.
        }
        await ended(socket)
    }

    private func heard(_ socket: String, _ status: SidecarStatus, _ metrics: MetricsReading) {
        let now = ContinuousClock.now
        var window = known[socket]?.window ?? TrafficWindow()
        window.take(metrics, at: now)
        known[socket] = Known(status: status, window: window, heardAt: now)
    }

    private func ended(_ socket: String) {
        following.remove(socket)
        known[socket] = nil
    }
}

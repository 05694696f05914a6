import Mesh
import Synchronization

/// Follows the access logs of all sidecars here for one page, and of those elsewhere that are of its service.
final class TailFollower: Sendable {
    private struct State {
        var following: Set<SidecarSource> = []
        /// Services that have a sidecar which is followed.
        var local: Set<String> = []
        var isInstanceLocal = false
    }

    private let sidecars: SidecarFollower
    private let filter: TailFilter
    private let mailbox: TailMailbox
    private let state = Mutex(State())

    /// How often new sidecars are looked for.
    private static let rescan = Duration.seconds(1)

    init(sidecars: SidecarFollower, filter: TailFilter, mailbox: TailMailbox) {
        self.sidecars = sidecars
        self.filter = filter
        self.mailbox = mailbox
    }

    /// Until the task is cancelled.
    func run() async {
        await withDiscardingTaskGroup { group in
            repeat {
                for sidecar in unfollowed(await sidecars.answering()) {
                    group.addTask { await self.follow(sidecar) }
                }
            } while await Task.pause(for: Self.rescan)
            group.cancelAll()
        }
    }

    private func unfollowed(_ answering: [SidecarFollower.Name]) -> [SidecarFollower.Name] {
        // Each look elsewhere is on record: only what the page is about.
        let answering = answering.filter { $0.source.key == nil || $0.service == filter.service }
        return state.withLock { state in
            state.local = Set(answering.map(\.service))
            state.isInstanceLocal = answering.contains { $0.service == filter.service && $0.id == filter.instance }
            return answering.filter { state.following.insert($0.source).inserted }
        }
    }

    private func follow(_ sidecar: SidecarFollower.Name) async {
        // What of it is shown is decided here; what can't be is not even sent.
        var query = TailQuery()
        query.service = filter.service
        do {
            let caller = try await sidecars.caller(for: sidecar.source)
            try await caller.lines(SidecarCaller.Request(path: query.target)) { line in
                self.take(line, of: sidecar)
            }
        } catch {
            // It has ended: looked for again with the next round.
        }
        _ = state.withLock { $0.following.remove(sidecar.source) }
    }

    private func take(_ bytes: ArraySlice<UInt8>, of sidecar: SidecarFollower.Name) {
        guard let line = TailLine(bytes) else { return }
        if let skipped = line.skipped { return mailbox.skip(skipped) }
        let (local, isInstanceLocal) = state.withLock { ($0.local, $0.isInstanceLocal) }
        guard
            filter.shows(line, of: (sidecar.service, sidecar.id), local: local, isInstanceLocal: isInstanceLocal)
        else { return }
        mailbox.put(Array(bytes))
    }
}

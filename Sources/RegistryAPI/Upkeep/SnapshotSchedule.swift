import Logging
import Registry
import RegistryModel
import Replay
import ServiceLifecycle

/// Takes a snapshot every so often, and keeps the newest.
struct SnapshotSchedule: Service {
    let registry: ServiceRegistry
    let logger: Logger

    /// One that is overdue at a start waits for so long: there is enough to do then.
    private static let settling = Duration.seconds(60)

    func run() async throws {
        do {
            try SnapshotTaker(registry: registry).rememberNewest()
        } catch {
            logger.warning("the snapshots that lie there can't be looked at: \(error)")
        }
        guard let interval = registry.options.snapshots.interval else {
            try? await gracefulShutdown()
            return
        }
        await cancelWhenGracefulShutdown {
            var pause = Self.firstPause(
                interval,
                sinceLast: registry.snapshotCondition.last.map { registry.now().time.since($0.takenAt) }
            )
            while !Task.isCancelled {
                let next = registry.now().time.advanced(by: pause)
                registry.noteSnapshot { $0.next = next }
                try? await Task.sleep(for: pause)  // cut short by cancellation: the loop ends then
                if !Task.isCancelled { await takeOne() }
                pause = interval
            }
        }
    }

    /// A daemon that is started again and again takes its snapshots all the same.
    ///
    /// - Parameter elapsed: since the last one; nil: there is none.
    static func firstPause(_ interval: Duration, sinceLast elapsed: Duration?) -> Duration {
        guard let elapsed else { return interval }
        return min(interval, max(settling, interval - elapsed))
    }

    private func takeOne() async {
        let taker = SnapshotTaker(registry: registry)
        do {
            let taken = try await taker.take(nil, actor: nil)
            try taker.prune(keeping: registry.options.snapshots.kept)
            logger.info(
                "snapshot taken",
                metadata: ["file": "\(taken.path)", "sequence": "\(taken.manifest.sequence)"]
            )
        } catch {
            let words = (error as? ProblemDetails)?.detail ?? "\(error)"
            registry.noteSnapshot { $0.failure = words }
            logger.error("no snapshot could be taken: \(words)")
        }
    }
}

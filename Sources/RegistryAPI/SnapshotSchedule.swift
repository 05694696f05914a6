import Logging
import Registry
import Replay
import ServiceLifecycle

/// Takes a snapshot every so often, and keeps the newest.
struct SnapshotSchedule: Service {
    let registry: ServiceRegistry
    let logger: Logger

    func run() async throws {
        guard let interval = registry.options.snapshots.interval else {
            try? await gracefulShutdown()
            return
        }
        await cancelWhenGracefulShutdown {
            while !Task.isCancelled {
                try? await Task.sleep(for: interval)  // cut short by cancellation: the loop ends then
                if !Task.isCancelled { await takeOne() }
            }
        }
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
            logger.error("no snapshot could be taken: \(error)")
        }
    }
}

import MaterializedView
import NIOCore
import Registry
import ServiceLifecycle
import Supervision

/// Tells the service manager that the daemon is alive, each time after having seen that it is: the event loops turn, the
/// view can be read, and the writer takes what waits for it. What hangs says nothing, and is started anew.
struct Watchdog: Service {
    let registry: ServiceRegistry
    let eventLoopGroup: any EventLoopGroup
    let manager: ServiceManager
    let interval: Duration

    func run() async throws {
        await cancelWhenGracefulShutdown {
            while !Task.isCancelled {
                if await isAlive() { manager.isAlive() }
                // A third of what the manager allows: one look may come late.
                try? await Task.sleep(for: interval / 3)  // cut short by cancellation: the loop ends then
            }
        }
    }

    /// Comes back once everything has answered.
    private func isAlive() async -> Bool {
        for loop in eventLoopGroup.makeIterator() {
            guard (try? await loop.submit {}.get()) != nil else { return false }
        }
        guard (try? registry.view.read({ $0.sequence })) != nil else { return false }
        return await registry.writerAnswers()
    }
}

import Logging
import Registry
import ServiceLifecycle
import Synchronization

/// Counts requests, for whoever wants to know whether there are any.
final class RequestActivity: Sendable {
    private let requests = Atomic<UInt64>(0)

    func note() {
        requests.add(1, ordering: .relaxed)
    }

    var count: UInt64 {
        requests.load(ordering: .relaxed)
    }
}

/// Ends the daemon once nobody has needed it for a while: no request, no watch, no instance that beats.
///
/// The time is that of a clock that stands still while the machine sleeps: a laptop that wakes up has not been idle.
struct IdleExit: Service {
    private static let longestStep = Duration.seconds(1)

    let registry: ServiceRegistry
    let activity: RequestActivity
    let limit: Duration
    let logger: Logger

    func run() async throws {
        await cancelWhenGracefulShutdown { await watch() }
    }

    private func watch() async {
        let clock = SuspendingClock()
        let step = min(Self.longestStep, limit / 10)
        var neededAt = clock.now
        var seen = activity.count
        while !Task.isCancelled {
            // Cut short by cancellation: the loop ends then.
            try? await clock.sleep(for: step)
            let count = activity.count
            if count != seen || registry.clientCount > 0 { neededAt = clock.now }
            seen = count
            guard clock.now - neededAt < limit else {
                logger.info("nobody has needed this registry for \(limit): it ends")
                return
            }
        }
    }
}

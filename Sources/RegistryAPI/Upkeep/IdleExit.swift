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
        var idle = IdleWatch(limit: limit, requests: activity.count, now: clock.now)
        while !Task.isCancelled {
            // Cut short by cancellation: the loop ends then.
            try? await clock.sleep(for: min(Self.longestStep, limit / 10))
            if idle.isOver(requests: activity.count, clients: registry.clientCount, now: clock.now) {
                logger.info("nobody has needed this registry for \(limit): it ends")
                return
            }
        }
    }
}

/// Whether nobody needs a registry any more, from looks at it now and then.
struct IdleWatch {
    private let limit: Duration
    private var requests: UInt64
    private var neededAt: SuspendingClock.Instant

    /// - Parameter requests: that there have been so far.
    init(limit: Duration, requests: UInt64, now: SuspendingClock.Instant) {
        self.limit = limit
        self.requests = requests
        neededAt = now
    }

    /// - Parameters:
    ///   - requests: that there have been so far.
    ///   - clients: that need it at the moment.
    /// - Returns: whether there has been nobody for the whole limit.
    mutating func isOver(requests: UInt64, clients: Int, now: SuspendingClock.Instant) -> Bool {
        if requests != self.requests || clients > 0 { neededAt = now }
        self.requests = requests
        return now - neededAt >= limit
    }
}

import RegistryModel
import Synchronization

/// Looks at the leases ten times a second and has the writer log what silence has come to; asks the mass expiry guard
/// before it does.
final class DeadlineWatch: Sendable {
    /// Its own lateness beyond this extends every deadline: the registry stood still, not the instances.
    static let tolerableLateness = Duration.milliseconds(500)
    private static let recheckProtected = Duration.seconds(1)

    private let leases: LeaseTable
    private let queue: CommandQueue
    private let clock: RegistryClock
    private let metrics: RegistryMetrics
    private let ttl: Duration
    private let expiryGuard: Mutex<MassExpiryGuard>
    private let stopping = Monitor(false)
    private let notice: @Sendable (RegistryNotice) -> Void

    init(
        leases: LeaseTable,
        queue: CommandQueue,
        clock: RegistryClock,
        metrics: RegistryMetrics,
        ttl: Duration,
        expiryGuard: consuming MassExpiryGuard,
        notice: @escaping @Sendable (RegistryNotice) -> Void
    ) {
        self.leases = leases
        self.queue = queue
        self.clock = clock
        self.metrics = metrics
        self.ttl = ttl
        self.expiryGuard = Mutex(expiryGuard)
        self.notice = notice
    }

    var isProtecting: Bool {
        expiryGuard.withLock { $0.isProtecting }
    }

    /// An operator's word, once it is on record.
    func override(_ word: GuardOverride) {
        let now = clock.monotonic()
        expiryGuard.withLock { $0.override(word, now: now) }
    }

    func stop() {
        stopping.withLock { $0 = true }
    }

    /// Runs until ``stop()``. `everySecond` is called about once a second.
    func run(everySecond: () -> Void) {
        let tick = DeadlineWheel<Int>.tick
        var expected = clock.monotonic().advanced(by: tick)
        var ticks = 0
        while stopping.wait(timeout: tick, for: { $0 ? true : nil }) == nil {
            let now = clock.monotonic()
            let lateness = now.since(expected)
            metrics.deadlineLag.record(max(.zero, lateness))
            if lateness > Self.tolerableLateness {
                leases.extendAll(by: lateness)
                notice(.warning("stood still for \(lateness.milliseconds) ms: deadlines extended by as much"))
            }
            expected = now.advanced(by: tick)
            ticks += 1
            look(now, isWholeSecond: ticks % 10 == 0)
            if ticks % 10 == 0 { everySecond() }
        }
    }

    /// One look; also what tests drive by hand.
    func look(_ now: MonotonicTime, isWholeSecond: Bool) {
        let due = leases.takeDue(now: now)
        let mode = expiryGuard.withLock { $0.mode }
        let overdue = due.filter { $0.verdict == .overdue }
        if !overdue.isEmpty || (isWholeSecond && mode != .off) { consultGuard(now) }
        let leased = mode == .off ? 0 : leases.counts.leases
        let allowed = expiryGuard.withLock {
            $0.allowedExpiries(of: due.count, leased: leased, ttl: ttl, now: now)
        }
        let isProtecting = self.isProtecting
        for (index, lease) in due.enumerated() {
            if index < allowed {
                decide(lease)
            } else if isProtecting, !lease.isProtected, lease.health == .healthy || lease.health == .degraded {
                submit(.markProtected(lease.key, handle: lease.handle), of: lease.key)
            } else {
                leases.reschedule(lease.key, after: Self.recheckProtected, now: now)
            }
        }
    }

    private func consultGuard(_ now: MonotonicTime) {
        let seen = leases.observe(now: now)
        switch expiryGuard.withLock({ $0.assess(seen, now: now) }) {
        case .none: break
        case .start(let report):
            notice(.warning("mass expiry guard on: \(report.why); nothing is removed for silence"))
            record(.protectionStarted(report))
        case .end(let report):
            notice(.info("mass expiry guard off: \(report.why)"))
            record(.protectionEnded(report))
        }
    }

    private func decide(_ lease: DueLease) {
        switch lease.verdict {
        case .overdue: submit(.markUnhealthy(lease.key, handle: lease.handle), of: lease.key)
        case .expired: submit(.expire(lease.key, handle: lease.handle), of: lease.key)
        case .inTime: leases.reschedule(lease.key, after: .zero, now: clock.monotonic())
        }
    }

    private func submit(_ command: Command, of key: InstanceKey) {
        queue.enqueueUrgent(
            Submission(commands: [command], actor: nil) { [leases, clock] _ in
                // Where nothing came of it, the lease is still marked as waiting: look again. A change unmarked it.
                leases.reschedule(key, after: .seconds(1), now: clock.monotonic())
            }
        )
    }

    private func record(_ kind: EventKind) {
        queue.enqueueUrgent(Submission(commands: [.record(kind)], actor: nil) { _ in })
    }
}

import MaterializedView
public import RegistryModel
import Synchronization

/// The registry's condition at a moment: what `hms-reg status` and the metrics show.
public struct RegistryStatus: Sendable {
    public var now: Now
    public var sequence: SequenceNumber
    public var heartbeatsPerSecond: Double
    public var eventsPerSecond: Double
    public var lookupsPerSecond: Double
    public var lookupP99Milliseconds: Double
    public var fsyncP99Milliseconds: Double
    /// Commands that wait.
    public var queue: Int
    public var subscribers: Int
    public var slowestSubscriber: Duration
    public var logBytes: UInt64
    public var beatsBytes: UInt64
    public var viewBytes: UInt64
    public var disk: DiskSpace
    public var isDiskFull: Bool
    /// How long the disk lasts if it fills as it did of late; nil where it does not, or it is not known yet.
    public var timeUntilDiskFull: Duration?
    public var isProtecting: Bool
}

extension ServiceRegistry {
    public var isProtecting: Bool {
        deadlines.isProtecting
    }

    public var dataDirectory: DataDirectory {
        directory
    }

    public func now() -> Now {
        clock.now()
    }

    public func monotonic() -> MonotonicTime {
        clock.monotonic()
    }

    /// The last event's: what any read now sees at least.
    public var sequence: SequenceNumber {
        hub.published
    }

    /// Grows with each external service that is added while this runs.
    public var externalServicesAdded: UInt64 {
        metrics.count(of: .externalServiceAdded)
    }

    /// Instances whose leases are kept.
    public var instanceCount: UInt64 {
        UInt64(leases.counts.leases)
    }

    /// Those who need the registry at the moment: watches, and instances that beat in time. Looks at every lease.
    public var clientCount: Int {
        let now = clock.monotonic()
        return hub.load(now: now).subscribers + leases.observe(now: now).beating
    }

    /// Has every open watch told that other roots are to be believed than before.
    public func noteTrustChanged() {
        hub.noteTrustChanged(now: clock.monotonic())
    }

    /// Ends every watch: the registry is about to stop.
    public func endSubscriptions() {
        hub.endAll()
    }

    /// How long ago an instance last beat; nil where it never expires or is not known.
    public func silence(of key: InstanceKey) -> Duration? {
        leases.silence(of: key, now: clock.monotonic())
    }

    public func status() -> RegistryStatus {
        let now = clock.now()
        let load = hub.load(now: now.monotonic)
        var status = RegistryStatus(
            now: now,
            sequence: log.lastSequence,
            heartbeatsPerSecond: 0,
            eventsPerSecond: 0,
            lookupsPerSecond: 0,
            lookupP99Milliseconds: 0,
            fsyncP99Milliseconds: 0,
            queue: queue.depth,
            subscribers: load.subscribers,
            slowestSubscriber: load.slowest,
            logBytes: log.bytesOnDisk,
            beatsBytes: beats.bytesOnDisk,
            viewBytes: view.diskBytes,
            disk: DiskSpace.of(directory.path),
            isDiskFull: log.isDiskFull,
            isProtecting: deadlines.isProtecting
        )
        if let (first, last) = rates.window {
            let seconds = Double(last.at.since(first.at).nanoseconds) / 1_000_000_000
            status.heartbeatsPerSecond = Double(last.heartbeats &- first.heartbeats) / seconds
            status.eventsPerSecond = Double(last.events &- first.events) / seconds
            status.lookupsPerSecond = Double(last.lookups &- first.lookups) / seconds
            let lookups = zip(last.lookup, first.lookup).map { $0 &- $1 }
            let fsyncs = zip(last.fsync, first.fsync).map { $0 &- $1 }
            status.lookupP99Milliseconds = LatencyHistogram.quantileMilliseconds(0.99, of: lookups)
            status.fsyncP99Milliseconds = LatencyHistogram.quantileMilliseconds(0.99, of: fsyncs)
        }
        status.timeUntilDiskFull = diskTrend.withLock { [free = status.disk.free] trend in
            trend.timeUntilFull(free: free, now: now.monotonic)
        }
        return status
    }

    func sampleDisk() {
        let now = clock.monotonic()
        diskTrend.withLock { trend in
            if trend.isDue(at: now) { trend.add(free: DiskSpace.of(directory.path).free, at: now) }
        }
    }

    func sampleRates() {
        rates.add(
            RecentRates.Sample(
                at: clock.monotonic(),
                heartbeats: metrics.heartbeats.value,
                events: metrics.batchEvents.value,
                lookups: metrics.lookups.value,
                fsync: metrics.fsync.snapshot.counts,
                lookup: metrics.lookup.snapshot.counts
            )
        )
    }

    /// Watches services for the time of `body`.
    ///
    /// - Parameter cursor: where the watcher left off; nil: it has nothing yet.
    public func withSubscription<R>(
        to services: WatchedServices,
        resumingFrom cursor: WatchCursor?,
        _ body: (Subscription) async throws -> R
    ) async rethrows -> R {
        let subscription = Subscription(
            hub: hub,
            view: view,
            clock: clock,
            epoch: epoch,
            services: services,
            cursor: cursor
        )
        defer { subscription.end() }
        return try await body(subscription)
    }
}

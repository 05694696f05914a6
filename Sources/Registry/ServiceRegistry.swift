public import EventLog
public import MaterializedView
public import RegistryModel
import Synchronization

/// The registry: commands in, events on record, a view to read and to watch.
///
/// A write is answered after its events are durable *and* visible in the view, so whoever asked may read at once.
/// Reads go to ``view``. Heartbeats that change nothing are answered from memory.
public final class ServiceRegistry: Sendable {
    public struct Options: Sendable {
        public var dataDirectory: String
        public var healthPolicy: HealthPolicy
        public var guardOptions: MassExpiryGuard.Options
        /// Bytes kept free for the last writes on a full disk; 0: none.
        public var reserveBytes: UInt64
        /// On record with each start.
        public var version: String
        public var clockSource: RegistryClock.Source
        /// How the log's root is signed; nil: it is not (a test's registry).
        public var checkpoints: CheckpointOptions?
        public var snapshots: SnapshotOptions
        public var heartbeatsKept: BeatRetention
        /// Called while a view is brought up to a long log: the sequence reached, and the last.
        public var progress: @Sendable (UInt64, UInt64) -> Void
        /// Of the log of decisions: for tests, which make its files fail.
        var logOptions = SegmentedLog.Options()

        public init(
            dataDirectory: String,
            healthPolicy: HealthPolicy = .default,
            guardOptions: MassExpiryGuard.Options = .init(),
            reserveBytes: UInt64 = 64 * 1_024 * 1_024,
            version: String = "0",
            clockSource: RegistryClock.Source = .system,
            checkpoints: CheckpointOptions? = nil,
            snapshots: SnapshotOptions = .init(),
            heartbeatsKept: BeatRetention = .forever,
            progress: @escaping @Sendable (UInt64, UInt64) -> Void = { _, _ in }
        ) {
            self.dataDirectory = dataDirectory
            self.healthPolicy = healthPolicy
            self.guardOptions = guardOptions
            self.reserveBytes = reserveBytes
            self.version = version
            self.clockSource = clockSource
            self.checkpoints = checkpoints
            self.snapshots = snapshots
            self.heartbeatsKept = heartbeatsKept
            self.progress = progress
        }
    }

    public let options: Options
    public let view: RegistryView
    public let epoch: Epoch
    public let registryID: RegistryID
    public let metrics = RegistryMetrics()
    public let startedAt: Now

    let directory: DataDirectory
    let clock: RegistryClock
    let queue = CommandQueue()
    let log: LogAppender
    let hub: SubscriptionHub
    let leases: LeaseTable
    let deadlines: DeadlineWatch
    let beats: BeatWriter
    let rates = RecentRates()
    let checkpointer: Checkpointer?
    private let threads: Mutex<Threads?>
    /// A step of the clock waits to be logged.
    private let isStepQueued = Atomic<Bool>(false)
    let isSnapshotTaken = Atomic<Bool>(false)
    let snapshotTimes = Mutex(SnapshotTimes())
    let diskTrend = Mutex(DiskTrend())
    let isReplayRunning = Atomic<Bool>(false)

    private struct Threads {
        var writer: WorkerThread
        var deadlines: WorkerThread
        var beats: WorkerThread
        var checkpoints: WorkerThread?
    }

    /// Opens the data directory, brings the view up to the log, and starts.
    ///
    /// - Parameters:
    ///   - notice: what an operator may want to read; called from any thread.
    ///   - fatal: the registry can't go on (a failed fsync): the process must end. Called from any thread.
    /// - Throws: `data-directory` where it can't be used, in words for the operator.
    public static func open(
        _ options: Options,
        notice: @escaping @Sendable (RegistryNotice) -> Void,
        fatal: @escaping @Sendable (RegistryError) -> Void
    ) throws -> ServiceRegistry {
        let directory = try DataDirectory(opening: options.dataDirectory)
        do {
            let opened = try RegistryOpening(options: options, directory: directory, notice: notice).open()
            let registry = try ServiceRegistry(options, directory, opened, notice: notice)
            try registry.start(opened, notice: notice, fatal: fatal)
            return registry
        } catch let error as EventLogError {
            throw RegistryError(.dataDirectory, error.message)
        } catch let error as ViewError {
            throw RegistryError(.dataDirectory, "\(error)")
        }
    }

    private init(
        _ options: Options,
        _ directory: DataDirectory,
        _ opened: RegistryOpening.Opened,
        notice: @escaping @Sendable (RegistryNotice) -> Void
    ) throws {
        let clock = RegistryClock(source: options.clockSource, floor: opened.lastTime)
        let now = clock.now()
        let queue = queue
        let log = opened.log
        self.options = options
        self.directory = directory
        self.clock = clock
        self.startedAt = now
        self.view = opened.view
        self.epoch = opened.identity.epoch
        self.registryID = opened.identity.registryID
        self.log = log
        hub = SubscriptionHub(published: log.lastSequence)
        leases = LeaseTable(defaults: options.healthPolicy, epoch: epoch, now: now.monotonic)
        var expiryGuard = MassExpiryGuard(options: options.guardOptions)
        if let protection = try opened.view.read({ try $0.registry }).protection {
            let elapsed = max(.zero, now.time.since(protection.since))
            expiryGuard.restore(
                protectingSince: now.monotonic.advanced(by: .zero - elapsed),
                isHeld: protection.isHeld
            )
        }
        deadlines = DeadlineWatch(
            leases: leases,
            queue: queue,
            clock: clock,
            metrics: metrics,
            ttl: options.healthPolicy.ttl,
            expiryGuard: expiryGuard,
            notice: notice
        )
        beats = BeatWriter(
            clock: clock,
            bytesOnDisk: opened.beats.bytesOnDisk,
            retention: options.heartbeatsKept,
            lastSequence: { log.lastSequence },
            sealed: { seal in
                queue.enqueueUrgent(Submission(commands: [.record(.beatsSealed(seal))], actor: nil) { _ in })
            },
            failed: { notice(.error("heartbeats of the last second are not on record: \($0)")) }
        )
        checkpointer = try options.checkpoints.map {
            try Checkpointer(
                $0,
                Checkpointer.Parts(
                    directory: directory,
                    identity: opened.identity,
                    view: opened.view,
                    log: log,
                    queue: queue,
                    now: { clock.now().time },
                    notice: notice
                )
            )
        }
        threads = Mutex(nil)
        try loadLeases(opened, now)
    }

    private func loadLeases(_ opened: RegistryOpening.Opened, _ now: Now) throws {
        try view.read { snapshot in
            try snapshot.forEachService(after: nil, limit: .max) { service in
                if let policy = service.policy { leases.load(policy, of: service.name) }
            }
            try snapshot.forEachInstance { key, state, terms in
                let ttl = leases.policy(of: key.service, terms: terms)?.ttl ?? .zero
                var lastSeen = state.registeredAt
                if let beat = opened.history.lastBeats[state.handle] { lastSeen = max(lastSeen, beat) }
                if state.cause == .reported || state.cause == .heartbeatResumed || state.cause == .reregistered {
                    lastSeen = max(lastSeen, state.since)
                }
                leases.load(
                    key,
                    state,
                    terms,
                    silentFor: opened.history.allowance.elapsed(since: lastSeen, ttl: ttl)
                        + (state.health == .unhealthy && state.cause == .heartbeatMissed ? ttl : .zero),
                    unhealthyFor: opened.history.allowance.elapsed(since: state.since, ttl: ttl),
                    now: now.monotonic
                )
            }
        }
    }

    private func start(
        _ opened: RegistryOpening.Opened,
        notice: @escaping @Sendable (RegistryNotice) -> Void,
        fatal: @escaping @Sendable (RegistryError) -> Void
    ) throws {
        let writer = ShardWriter(
            ShardWriter.Parts(
                queue: queue,
                view: view,
                log: log,
                hub: hub,
                leases: leases,
                clock: clock,
                metrics: metrics,
                epoch: epoch,
                fatal: fatal
            )
        )
        let beatLog = Handover(value: opened.beats)
        threads.withLock {
            $0 = Threads(
                writer: WorkerThread(name: "hms-shard-0") { writer.run() },
                deadlines: WorkerThread(name: "hms-deadlines") { [self] in
                    deadlines.run { everySecond(writer, notice) }
                },
                beats: WorkerThread(name: "hms-beats") { [beats] in beats.run(writingTo: beatLog.value) },
                checkpoints: checkpointer.map { checkpointer in
                    WorkerThread(name: "hms-checkpoints") { checkpointer.run() }
                }
            )
        }
        let started = EventKind.registryStarted(version: options.version, clean: opened.wasClean)
        let first = Monitor<Result<CommandOutcome, RegistryError>?>(nil)
        queue.enqueueUrgent(
            Submission(commands: [.record(started)], actor: nil) { results in
                first.withLock { $0 = results.first }
            }
        )
        if case .failure(let error)? = first.wait(for: { $0 }) {
            close(cleanly: false)
            throw error
        }
    }

    private func everySecond(_ writer: ShardWriter, _ notice: @escaping @Sendable (RegistryNotice) -> Void) {
        if writer.isBehind { queue.enqueueUrgent(Submission(commands: [], actor: nil) { _ in }) }
        log.resumeIfThereIsRoom()
        takeClockStep(notice)
        sampleRates()
        sampleDisk()
        hub.wakeIdle(now: clock.monotonic())
    }

    /// The wall clock was set: on record with its old and new time, and the log begins a new segment.
    private func takeClockStep(_ notice: @escaping @Sendable (RegistryNotice) -> Void) {
        guard !isStepQueued.load(ordering: .relaxed), let step = clock.pendingStep() else { return }
        isStepQueued.store(true, ordering: .relaxed)
        notice(.warning("the wall clock was set from \(step.from) to \(step.to)"))
        queue.enqueueUrgent(
            Submission(commands: [.record(.clockStepped(from: step.from, to: step.to))], actor: nil) { [self] _ in
                clock.takeStep(to: step.to)
                isStepQueued.store(false, ordering: .relaxed)
                do {
                    try log.roll()
                } catch {
                    notice(.error("no new segment after the clock was set: \(error)"))
                }
            }
        )
    }

    // MARK: Stopping

    /// Finishes what waits, records the stop, and marks everything clean. Nothing may be asked of it afterwards.
    public func stop(reason: String) {
        deadlines.stop()
        queue.close(with: Submission(commands: [.record(.registryStopped(reason: reason))], actor: nil) { _ in })
        close(cleanly: true)
    }

    private func close(cleanly: Bool) {
        deadlines.stop()
        queue.close()
        beats.stop()
        checkpointer?.stop()
        guard let threads = threads.withLock({ $0.take() }) else { return }
        threads.writer.join()
        threads.deadlines.join()
        threads.beats.join()
        threads.checkpoints?.join()
        guard cleanly, !log.isDead else { return }
        checkpointer?.signTheEnd(at: clock.now().time)
        do {
            try log.closeCleanly()
            try view.sync()
            try ViewMark(
                isClean: true,
                sequence: log.lastSequence,
                epoch: epoch,
                root: log.merkleRoot,
                directory: directory.view
            ).write(directory: directory.view)
        } catch {
            // The next start recovers as after a crash, and loses nothing.
            return
        }
    }
}

import EventLog
import RegistryModel
import Synchronization

/// Puts heartbeats that changed nothing on record: gathered in memory, written about once a second by a thread of its
/// own. A crash loses at most the last second of them, which no decision needs.
final class BeatWriter: Sendable {
    static let interval = Duration.seconds(1)
    /// Written at once when so many have gathered: about 64 KiB of them.
    static let beatsAtOnce = 32_768
    /// With nothing to write, a mark this often says that the registry was up.
    static let markInterval = Duration.seconds(10)
    static let segmentLife = Duration.seconds(3_600)

    private struct State: Sendable {
        var packer = HeartbeatPacker()
        var isStopping = false
    }

    private let gathered = Monitor(State())
    private let clock: RegistryClock
    private let lastSequence: @Sendable () -> SequenceNumber
    private let sealed: @Sendable (BeatsSeal) -> Void
    private let failed: @Sendable (EventLogError) -> Void
    private let bytes: Atomic<UInt64>
    private let retention: BeatRetention

    /// - Parameters:
    ///   - lastSequence: of the log: what a batch of beats follows.
    ///   - sealed: a segment was sealed; called on the beat thread.
    ///   - failed: a batch of beats was lost; called on the beat thread, which goes on.
    init(
        clock: RegistryClock,
        bytesOnDisk: UInt64,
        retention: BeatRetention,
        lastSequence: @escaping @Sendable () -> SequenceNumber,
        sealed: @escaping @Sendable (BeatsSeal) -> Void,
        failed: @escaping @Sendable (EventLogError) -> Void
    ) {
        self.clock = clock
        self.lastSequence = lastSequence
        self.sealed = sealed
        self.failed = failed
        self.bytes = Atomic(bytesOnDisk)
        self.retention = retention
    }

    var bytesOnDisk: UInt64 {
        bytes.load(ordering: .relaxed)
    }

    func note(_ handle: InstanceHandle, at time: Timestamp) {
        let isFull = gathered.quietly { state in
            state.packer.append(handle, at: time)
            return state.packer.count == Self.beatsAtOnce
        }
        // Otherwise the thread is not woken: it looks every second.
        if isFull { gathered.withLock { _ in } }
    }

    func stop() {
        gathered.withLock { $0.isStopping = true }
    }

    /// Runs until ``stop()``, then writes what is left and closes the log.
    func run(writingTo log: BeatLog) {
        var lastWrite = clock.monotonic()
        while true {
            let isStopping =
                gathered.wait(timeout: Self.interval) { state -> Bool? in
                    state.isStopping || state.packer.count >= Self.beatsAtOnce ? state.isStopping : nil
                } ?? false
            let now = clock.now()
            let isMarkDue = now.monotonic.since(lastWrite) >= Self.markInterval
            let beats = gathered.quietly { state -> PackedHeartbeats? in
                guard state.packer.count > 0 || isMarkDue || isStopping else { return nil }
                return state.packer.pack(following: lastSequence(), now: now.time)
            }
            if let beats {
                write(beats, at: now.time, to: log)
                lastWrite = now.monotonic
            }
            sealIfDue(log, now.time)
            if isStopping { break }
        }
        do {
            try log.closeCleanly()
        } catch {
            failed(error)
        }
    }

    private func write(_ beats: PackedHeartbeats, at time: Timestamp, to log: BeatLog) {
        do {
            _ = try log.append(beats, time: time)
            bytes.store(log.bytesOnDisk, ordering: .relaxed)
        } catch {
            failed(error)
        }
    }

    private func sealIfDue(_ log: BeatLog, _ now: Timestamp) {
        guard let since = log.openSegmentSince, now.since(since) >= Self.segmentLife else { return }
        do {
            if let seal = try log.seal() { sealed(seal) }
        } catch {
            failed(error)
        }
        thin(log, now)
    }

    /// Once an hour: with each sealed segment.
    private func thin(_ log: BeatLog, _ now: Timestamp) {
        do {
            try log.retain(retention, now: now)
            bytes.store(log.bytesOnDisk, ordering: .relaxed)
        } catch {
            failed(error as? EventLogError ?? EventLogError(.fileFailed, "old heartbeats can't be removed: \(error)"))
        }
    }
}

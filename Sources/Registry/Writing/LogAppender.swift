import EventLog
import Glibc
import OpenSSLCrypto
import RegistryModel
import Synchronization

/// The log as the shards' writers see it: one append at a time, and what a full disk means.
///
/// Whoever comes while an append is under way waits and then appends for itself; with one shard that is nobody, and a
/// batch costs no change of threads.
final class LogAppender: Sendable {
    private struct State {
        let log: SegmentedLog
        var isDead = false
        /// Where the last batches ended, and the tree there: the view's sequence is one of them.
        var ends: [(sequence: SequenceNumber, frontier: [SHA256Digest])]
        var nextEnd = 0

        mutating func noteEnd() {
            if ends.count < LogAppender.endsKept {
                ends.append((log.lastSequence, log.merkleFrontier))
            } else {
                ends[nextEnd] = (log.lastSequence, log.merkleFrontier)
                nextEnd = (nextEnd + 1) % LogAppender.endsKept
            }
        }
    }

    /// Ends of batches that are remembered: a reader of the view asks for one while at most a few go by.
    private static let endsKept = 1_024

    private let state: Monitor<State>
    private let last: Atomic<UInt64>
    private let bytes: Atomic<UInt64>
    private let diskFull = Atomic<Bool>(false)
    private let reserve: Mutex<DiskReserve?>
    private let directory: String
    private let reserveBytes: UInt64

    /// - Parameter reserve: nil: none is kept (a dev registry).
    init(_ log: sending SegmentedLog, reserve: sending DiskReserve?, reserveBytes: UInt64, directory: String) {
        last = Atomic(log.lastSequence.rawValue)
        bytes = Atomic(log.bytesOnDisk)
        state = Monitor(State(log: log, ends: [(log.lastSequence, log.merkleFrontier)]))
        self.reserve = Mutex(reserve)
        self.reserveBytes = reserveBytes
        self.directory = directory
    }

    var lastSequence: SequenceNumber {
        SequenceNumber(last.load(ordering: .acquiring))
    }

    var bytesOnDisk: UInt64 {
        bytes.load(ordering: .relaxed)
    }

    var isDiskFull: Bool {
        diskFull.load(ordering: .relaxed)
    }

    /// A sync failed: nothing can be appended any more in this life of the process.
    var isDead: Bool {
        state.quietly { $0.isDead }
    }

    func append(_ events: [EncodedEvent]) throws -> AppendReceipt {
        try state.quietly { state in
            do throws(EventLogError) {
                let receipt = try state.log.append(events)
                last.store(receipt.durableThrough.rawValue, ordering: .releasing)
                state.noteEnd()
                bytes.store(state.log.bytesOnDisk, ordering: .relaxed)
                return receipt
            } catch {
                // These two leave the log as it was before the append.
                if error.code != .diskFull, error.code != .writeFailed { state.isDead = true }
                throw error
            }
        }
    }

    /// At most `limit` events from `sequence` on.
    func read(from sequence: SequenceNumber, upTo limit: Int, _ body: (Event) -> Void) throws {
        try state.quietly { state in
            var count = 0
            try state.log.read(from: sequence) { event, _ in
                body(event)
                count += 1
                return count < limit
            }
        }
    }

    /// A new segment: the clock was set.
    func roll() throws {
        try state.quietly { try $0.log.roll() }
    }

    var merkleRoot: String {
        state.quietly { $0.log.merkleRoot.description }
    }

    /// The tree over everything through `sequence`, which was the end of one of the last batches; nil where it was not.
    func merkleTree(at sequence: SequenceNumber) throws -> MerkleTree? {
        let frontier = state.quietly { state in state.ends.last { $0.sequence == sequence }?.frontier }
        return try frontier.map { try MerkleTree(size: sequence.rawValue, frontier: $0) }
    }

    func closeCleanly() throws {
        try state.quietly { try $0.log.closeCleanly() }
    }

    // MARK: A full disk

    /// Gives up the reserve, so that health and deregistrations go on.
    ///
    /// - Returns: whether there is anything to gain by trying again.
    func enterDiskFull() -> Bool {
        let wasFull = diskFull.exchange(true, ordering: .relaxed)
        return reserve.withLock { reserve in
            guard let reserve, reserve.isHeld else { return !wasFull }
            reserve.giveUp()
            return true
        }
    }

    /// Takes the reserve back once the disk has room for it and as much again; writes resume then.
    func resumeIfThereIsRoom() {
        guard isDiskFull, DiskSpace.of(directory).free > reserveBytes * 2 + 8 * 1_024 * 1_024 else { return }
        reserve.withLock { reserve in
            do {
                try reserve?.ensure()
                diskFull.store(false, ordering: .relaxed)
            } catch {
                // Still too little: looked at again in a while.
                reserve?.giveUp()
            }
        }
    }
}

/// Room on the disk that holds a path, in bytes.
public struct DiskSpace: Sendable, Equatable {
    public var free: UInt64
    public var total: UInt64

    /// Zeros where the path can't be looked at.
    public static func of(_ path: String) -> DiskSpace {
        var status = statvfs()
        guard statvfs(path, &status) == 0 else { return DiskSpace(free: 0, total: 0) }
        return DiskSpace(
            free: UInt64(status.f_bavail) &* UInt64(status.f_frsize),
            total: UInt64(status.f_blocks) &* UInt64(status.f_frsize)
        )
    }
}

import Glibc
import NIOCore
import NIOPosix
import RegistryModel
import Synchronization

/// The access log of a sidecar: one JSON line a request, written by a thread of its own to a file of mode 0600 that is
/// rotated, and handed to whoever looks on. A slow disk or looker-on loses lines, and says how many; it never slows a call.
final class AccessLog: Sendable {
    /// Bytes after which a file is set aside; one old file is kept.
    static let rotation = 64 * 1_024 * 1_024
    /// Lines wait this long at most until they are written together.
    private static let gathering = TimeAmount.milliseconds(100)
    private static let gatheredBytes = 64 * 1_024
    /// Each costs a look at every line.
    static let mostTails = 16
    /// Bytes that may wait for the disk.
    private static let backlog = 16 * 1_024 * 1_024

    private struct State {
        var descriptor: Int32 = -1
        var size = 0
        var waiting = 0
        var lost: UInt64 = 0
    }

    private struct Tails {
        var byNumber: [Int: AccessLogTail] = [:]
        var last = 0
    }

    private let path: String
    private let thread: NIOThreadPool
    private let state = Mutex(State())
    private let tails = Mutex(Tails())
    /// Rises with each change of ``tails``: all that a line costs while nobody looks on.
    private let tailsVersion = Atomic<Int>(0)

    /// - Parameter path: of the file; its folder must be there.
    init(path: String) {
        self.path = path
        thread = NIOThreadPool(numberOfThreads: 1)
        thread.start()
    }

    var lostLines: UInt64 { state.withLock { $0.lost } }

    /// Hands on what the tail asks for as it comes, until ``remove(_:)``.
    ///
    /// - Returns: nil where ``mostTails`` look on already.
    func add(_ tail: AccessLogTail) -> Int? {
        tails.withLock { tails in
            guard tails.byNumber.count < Self.mostTails else { return nil }
            tails.last += 1
            tails.byNumber[tails.last] = tail
            tailsVersion.add(1, ordering: .relaxed)
            return tails.last
        }
    }

    func remove(_ number: Int) {
        tails.withLock { tails in
            tails.byNumber[number] = nil
            tailsVersion.add(1, ordering: .relaxed)
        }
    }

    /// Waits until all that was handed over is written.
    func close() async {
        _ = try? await thread.runIfActive { [self] in
            state.withLock { state in
                if state.descriptor >= 0 { Glibc.close(state.descriptor) }
                state.descriptor = -1
            }
        }
        try? await thread.shutdownGracefully()
    }

    private func take(_ lines: [UInt8], count: Int) {
        let isTaken = state.withLock { state in
            let isTaken = state.waiting + lines.count <= Self.backlog
            if isTaken { state.waiting += lines.count } else { state.lost += UInt64(count) }
            return isTaken
        }
        guard isTaken else { return }
        thread.submit { [self] _ in write(lines) }
    }

    private func write(_ lines: [UInt8]) {
        state.withLock { state in
            state.waiting -= lines.count
            if state.size >= Self.rotation, state.descriptor >= 0 {
                Glibc.close(state.descriptor)
                state.descriptor = -1
                rename(path, path + ".1")
            }
            if state.descriptor < 0 {
                state.descriptor = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0o600)
                let end = state.descriptor < 0 ? 0 : lseek(state.descriptor, 0, SEEK_END)
                state.size = max(0, Int(end))
            }
            let written = lines.withUnsafeBytes { Glibc.write(state.descriptor, $0.baseAddress, $0.count) }
            if written < lines.count { state.lost += 1 }
            state.size += max(0, written)
        }
    }

    /// One event loop's end of the log.
    final class Writer {
        private let log: AccessLog
        private let loop: any EventLoop
        /// Whole lines.
        private var pending = JSONWriter(reservingCapacity: AccessLog.gatheredBytes / 4)
        private var count = 0
        private var isScheduled = false
        private var gatherings: [Int: TailGathering] = [:]
        private var tailsVersion = 0

        init(_ log: AccessLog, loop: any EventLoop) {
            self.log = log
            self.loop = loop
        }

        func append(_ record: AccessRecord) {
            let start = pending.bytes.count
            record.write(to: &pending)
            pending.endLine()
            count += 1
            offer(record, from: start)
            if pending.bytes.count >= AccessLog.gatheredBytes {
                flush()
            } else if !isScheduled {
                isScheduled = true
                loop.assumeIsolated().scheduleTask(in: AccessLog.gathering) { [self] in
                    isScheduled = false
                    flush()
                }
            }
        }

        /// - Parameter start: of its line.
        private func offer(_ record: AccessRecord, from start: Int) {
            let version = log.tailsVersion.load(ordering: .relaxed)
            if version != tailsVersion { takeTails(version) }
            guard !gatherings.isEmpty else { return }
            let now = NIODeadline.now()
            for number in gatherings.keys { gatherings[number]?.offer(record, pending.bytes[start...], now: now) }
        }

        private func takeTails(_ version: Int) {
            tailsVersion = version
            let tails = log.tails.withLock { $0.byNumber }
            for number in gatherings.keys where tails[number] == nil { gatherings[number] = nil }
            for (number, tail) in tails where gatherings[number] == nil { gatherings[number] = TailGathering(tail) }
        }

        func flush() {
            guard count > 0 else { return }
            log.take(pending.bytes, count: count)
            pending = JSONWriter(reservingCapacity: AccessLog.gatheredBytes / 4)
            count = 0
            for number in gatherings.keys { gatherings[number]?.flush() }
        }
    }
}

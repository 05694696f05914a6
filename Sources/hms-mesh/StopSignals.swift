import Dispatch
import Glibc
import Synchronization

/// SIGINT and SIGTERM, as something to wait for instead of the process's end.
final class StopSignals: Sendable {
    private struct State {
        var received: Int32?
        var count = 0
        var waiting: [CheckedContinuation<Int32, Never>] = []
    }

    private let state = Mutex(State())

    /// For the whole life of the process: the sources are never let go.
    init() {
        let queue = DispatchQueue(label: "hms-signals")
        for number in [SIGINT, SIGTERM] {
            signal(number, SIG_IGN)
            let source = DispatchSource.makeSignalSource(signal: number, queue: queue)
            source.setEventHandler { [self, source] in
                _ = source
                take(number)
            }
            source.resume()
        }
    }

    /// Somebody who asks a third time does not want to wait.
    private func take(_ number: Int32) {
        let (waiting, count) = state.withLock { state in
            state.received = state.received ?? number
            state.count += 1
            defer { state.waiting = [] }
            return (state.waiting, state.count)
        }
        for continuation in waiting { continuation.resume(returning: number) }
        if count >= 3 { _exit(128 + number) }
    }

    /// The first one that came, or comes.
    func received() async -> Int32 {
        await withCheckedContinuation { continuation in
            let number = state.withLock { state -> Int32? in
                if state.received == nil { state.waiting.append(continuation) }
                return state.received
            }
            if let number { continuation.resume(returning: number) }
        }
    }

    /// Ends the waiting without a signal.
    func giveUp() {
        let waiting = state.withLock { state in
            state.received = state.received ?? 0
            defer { state.waiting = [] }
            return state.waiting
        }
        for continuation in waiting { continuation.resume(returning: 0) }
    }
}

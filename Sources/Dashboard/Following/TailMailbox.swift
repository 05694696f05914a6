import Synchronization

/// Lines on their way to a page: the newest ones, and how many did not fit.
final class TailMailbox: Sendable {
    static let mostLines = 400

    private struct State {
        var lines: [[UInt8]] = []
        var skipped = 0
    }

    private let state = Mutex(State())
    /// Says that there is something; once however much.
    let news: AsyncStream<Void>
    private let continuation: AsyncStream<Void>.Continuation

    init() {
        (news, continuation) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1))
    }

    func put(_ line: [UInt8]) {
        state.withLock { state in
            state.lines.append(line)
            if state.lines.count > Self.mostLines {
                state.lines.removeFirst()
                state.skipped += 1
            }
        }
        continuation.yield()
    }

    func skip(_ count: Int) {
        state.withLock { $0.skipped += count }
        continuation.yield()
    }

    func takeAll() -> (lines: [[UInt8]], skipped: Int) {
        state.withLock { state in
            defer { state = State() }
            return (state.lines, state.skipped)
        }
    }
}

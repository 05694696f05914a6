import Synchronization

/// Makes chosen file operations fail, for tests of recovery: the n-th write is cut short, the next sync fails, the
/// machine "crashes" at a rename. Nothing is counted or looked up where none is given.
public final class Failpoints: Sendable {
    public enum Operation: Hashable, Sendable, CaseIterable {
        case write
        case sync
        case truncate
        case rename
        case allocate
        case syncDirectory
    }

    public enum Failure: Sendable {
        /// The system refuses with this errno.
        case refuse(Int32)
        /// Only so many bytes are written, then it refuses.
        case short(bytes: Int, errno: Int32)
        /// Nothing happens, and nothing ever again: the process is taken to have died here.
        case crash
        /// So many bytes are written, and then the process dies.
        case crashAfter(bytes: Int)
    }

    private struct State {
        var counts: [Operation: Int] = [:]
        var armed: [Operation: (numbers: ClosedRange<Int>, failure: Failure)] = [:]
        var hasCrashed = false
    }

    private let state = Mutex(State())

    public init() {}

    /// The `nth` operation of this kind from now on fails, and those behind it if it is to fail more `times`; the first
    /// is 1.
    public func arm(_ operation: Operation, nth: Int = 1, times: Int = 1, _ failure: Failure) {
        state.withLock { state in
            let first = (state.counts[operation] ?? 0) + nth
            state.armed[operation] = (first...(first + times - 1), failure)
        }
    }

    /// How often an operation was carried out, or tried.
    public func count(of operation: Operation) -> Int {
        state.withLock { $0.counts[operation] ?? 0 }
    }

    public var hasCrashed: Bool {
        state.withLock { $0.hasCrashed }
    }

    func hit(_ operation: Operation) -> Failure? {
        state.withLock { state in
            guard !state.hasCrashed else { return .crash }
            let count = (state.counts[operation] ?? 0) + 1
            state.counts[operation] = count
            guard let (numbers, failure) = state.armed[operation], numbers.contains(count) else { return nil }
            if numbers.upperBound == count { state.armed[operation] = nil }
            switch failure {
            case .crash, .crashAfter: state.hasCrashed = true
            case .refuse, .short: break
            }
            return failure
        }
    }
}

import Glibc

/// How a process ended.
public enum TerminationStatus: Sendable, Equatable {
    case exited(Int32)
    case killed(signal: Int32)

    /// From what `waitpid` says.
    init(waitStatus status: Int32) {
        let signal = status & 0x7F
        self = signal == 0 ? .exited(status >> 8 & 0xFF) : .killed(signal: signal)
    }

    /// As a shell says it: the exit code, or 128 and the signal.
    public var shellCode: Int32 {
        switch self {
        case .exited(let code): code
        case .killed(let signal): 128 + signal
        }
    }

    /// `exited 1`, `was killed by signal 9 (Killed)`
    public var words: String {
        switch self {
        case .exited(let code): "exited \(code)"
        case .killed(let signal):
            "was killed by signal \(signal) (\(strsignal(signal).map { String(cString: $0) } ?? "?"))"
        }
    }
}

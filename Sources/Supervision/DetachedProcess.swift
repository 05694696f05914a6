import Glibc
import Synchronization

/// Starts a process that outlives this one: in a session of its own, without its terminal, its words in a file.
public struct DetachedProcess: Sendable {
    public let pid: Int32

    /// - Parameters:
    ///   - arguments: the program, looked for in `PATH`, and what it is given. Not empty.
    ///   - logFile: its output and errors are appended there (mode 0600).
    /// - Throws: `not-found`, `not-runnable`; `storage` where the file can't be written.
    public init(
        running arguments: [String],
        environment: [String: String],
        logFile: String
    ) throws(SupervisionError) {
        let null = open("/dev/null", O_RDONLY | O_CLOEXEC)
        guard null >= 0 else { throw .system(.notRunnable, "can't open /dev/null") }
        defer { close(null) }
        let log = open(logFile, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o600)
        guard log >= 0 else { throw .system(.storage, "can't write \(logFile)") }
        defer { close(log) }
        let variables = environment.map { "\($0.key)=\($0.value)" }
        pid = try ProcessSpawn.turn.withLock { (_) throws(SupervisionError) in
            let pid = try ProcessSpawn(
                arguments: arguments,
                environment: variables,
                group: .ownSession,
                descriptors: (null, log, log)
            ).run()
            OrphanReaper.shared.spare(pid)
            return pid
        }
    }

    /// How it ended; nil while it runs.
    public func finishedStatus() -> TerminationStatus? {
        var status: Int32 = 0
        return waitpid(pid, &status, WNOHANG) == pid ? TerminationStatus(waitStatus: status) : nil
    }
}

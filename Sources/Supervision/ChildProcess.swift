import Dispatch
import Glibc
import Synchronization

/// The user's process beside the sidecar: in a process group of its own, so that Ctrl-C reaches this process alone, which
/// drains first; its output comes through pipes; it is ended with everything that it started, also where this process is killed.
///
/// It reads nothing: its standard input is `/dev/null`, as a process outside of the terminal's foreground would be stopped
/// for reading.
public final class ChildProcess: Sendable {
    public enum Stream: Sendable {
        case output
        case errors
    }

    /// How long after SIGTERM the group is killed.
    public static let stopGrace = Duration.seconds(10)
    /// Output that comes this long after the end is still passed on; something that it started may hold the pipe.
    private static let outputGrace = DispatchTimeInterval.milliseconds(300)
    private static let readBytes = 64 * 1_024

    /// Also the id of its process group.
    public let pid: Int32
    private let end = Mutex(End())
    private let guardian: GroupGuardian?

    private struct End {
        var status: TerminationStatus?
        var waiting: [CheckedContinuation<TerminationStatus, Never>] = []
    }

    /// Starts a program.
    ///
    /// - Parameters:
    ///   - arguments: the program, looked for in `PATH`, and what it is given. Not empty.
    ///   - environment: all of the child's.
    ///   - directory: where it runs; nil: here.
    ///   - output: called with what it writes as it comes, from one thread a stream; while a call lasts the stream waits.
    /// - Throws: `not-found`, `not-runnable`.
    public init(
        running arguments: [String],
        environment: [String: String],
        in directory: String? = nil,
        output: @escaping @Sendable (Stream, ArraySlice<UInt8>) -> Void
    ) throws(SupervisionError) {
        var arguments = arguments
        if let directory { arguments = ["/bin/sh", "-c", #"cd -- "$0" && exec "$@""#, directory] + arguments }
        let variables = environment.map { "\($0.key)=\($0.value)" }
        let started = try Self.start(arguments, variables)
        pid = started.pid
        // Without it the group would only outlive a killed sidecar.
        guardian = try? GroupGuardian(of: started.pid)
        let readers = DispatchGroup()
        for (stream, descriptor) in [(Stream.output, started.output), (.errors, started.errors)] {
            readers.enter()
            DispatchQueue(label: "hms-child-output").async {
                Self.readAll(descriptor) { output(stream, $0) }
                close(descriptor)
                readers.leave()
            }
        }
        DispatchQueue(label: "hms-child-end").async { [self] in
            let status = Self.wait(for: pid)
            guardian?.dismiss()
            _ = readers.wait(timeout: .now() + Self.outputGrace)
            finish(status)
        }
    }

    /// Waits for its end.
    public func exitStatus() async -> TerminationStatus {
        await withCheckedContinuation { continuation in
            let status = end.withLock { end -> TerminationStatus? in
                if end.status == nil { end.waiting.append(continuation) }
                return end.status
            }
            if let status { continuation.resume(returning: status) }
        }
    }

    /// nil while it runs.
    public var finishedStatus: TerminationStatus? {
        end.withLock { $0.status }
    }

    /// Sends a signal to the process and all that it started.
    public func signal(_ number: Int32) {
        kill(-pid, number)
    }

    /// SIGTERM to the group, and SIGKILL to what of it is left after `grace`.
    @discardableResult
    public func stop(grace: Duration = ChildProcess.stopGrace) async -> TerminationStatus {
        signal(SIGTERM)
        let clock = ContinuousClock()
        let deadline = clock.now + grace
        while clock.now < deadline, isGroupAlive {
            // Cut short by cancellation: then the group is killed at once.
            do { try await clock.sleep(for: .milliseconds(20)) } catch { break }
        }
        signal(SIGKILL)
        return await exitStatus()
    }

    /// Whether any process of the group is left.
    private var isGroupAlive: Bool {
        kill(-pid, 0) == 0 || errno == EPERM
    }

    private func finish(_ status: TerminationStatus) {
        let waiting = end.withLock { end in
            end.status = status
            defer { end.waiting = [] }
            return end.waiting
        }
        for continuation in waiting { continuation.resume(returning: status) }
    }

    // MARK: Starting and ending

    private static func start(
        _ arguments: [String],
        _ environment: [String]
    ) throws(SupervisionError) -> (pid: Int32, output: Int32, errors: Int32) {
        try ProcessSpawn.turn.withLock { (_) throws(SupervisionError) in
            let null = open("/dev/null", O_RDONLY | O_CLOEXEC)
            guard null >= 0 else { throw .system(.notRunnable, "can't open /dev/null") }
            defer { close(null) }
            let output = try ProcessSpawn.pipe()
            defer { close(output.write) }
            let errors: (read: Int32, write: Int32)
            do throws(SupervisionError) {
                errors = try ProcessSpawn.pipe()
            } catch {
                close(output.read)
                throw error
            }
            defer { close(errors.write) }
            do throws(SupervisionError) {
                let pid = try ProcessSpawn(
                    arguments: arguments,
                    environment: environment,
                    group: .own,
                    descriptors: (null, output.write, errors.write)
                ).run()
                OrphanReaper.shared.spare(pid)
                return (pid, output.read, errors.read)
            } catch {
                close(output.read)
                close(errors.read)
                throw error
            }
        }
    }

    private static func readAll(_ descriptor: Int32, _ body: (ArraySlice<UInt8>) -> Void) {
        var buffer = [UInt8](repeating: 0, count: readBytes)
        while true {
            let count = read(descriptor, &buffer, buffer.count)
            if count > 0 {
                body(buffer[..<count])
            } else if count == 0 || errno != EINTR {
                return
            }
        }
    }

    static func wait(for pid: Int32) -> TerminationStatus {
        var status: Int32 = 0
        while waitpid(pid, &status, 0) < 0, errno == EINTR {}
        return TerminationStatus(waitStatus: status)
    }
}

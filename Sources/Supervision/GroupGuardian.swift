import Dispatch
import Glibc
import Synchronization

/// Ends a process group once this process has gone without doing so itself: by SIGKILL, a crash, or for want of memory. What is
/// left otherwise would hold its port against whoever starts it anew.
///
/// A shell that waits for the end of a pipe whose other end this process alone has. (`PR_SET_PDEATHSIG` is no way: it fires
/// when the thread that started the child ends.)
final class GroupGuardian: Sendable {
    /// `$0` is the group. SIGKILL to what is left of it after ``ChildProcess/stopGrace``.
    private static let script =
        #"read -r _; kill -s TERM -- "-$0" && sleep \#(ChildProcess.stopGrace.components.seconds) && kill -s KILL -- "-$0""#

    private let pid: Int32
    /// The pipe's end that is held; -1 once it is closed.
    private let held: Mutex<Int32>

    /// - Throws: where no shell can be started.
    init(of group: Int32) throws(SupervisionError) {
        let (pid, end) = try ProcessSpawn.turn.withLock { (_) throws(SupervisionError) -> (Int32, Int32) in
            let null = open("/dev/null", O_WRONLY | O_CLOEXEC)
            guard null >= 0 else { throw .system(.notRunnable, "can't open /dev/null") }
            defer { close(null) }
            let pipe = try ProcessSpawn.pipe()
            defer { close(pipe.read) }
            do throws(SupervisionError) {
                let pid = try ProcessSpawn(
                    arguments: ["/bin/sh", "-c", Self.script, String(group)],
                    environment: [],
                    group: .own,
                    descriptors: (pipe.read, null, null)
                ).run()
                OrphanReaper.shared.spare(pid)
                return (pid, pipe.write)
            } catch {
                close(pipe.write)
                throw error
            }
        }
        self.pid = pid
        held = Mutex(end)
        DispatchQueue(label: "hms-guardian-end").async {
            _ = ChildProcess.wait(for: pid)
        }
    }

    deinit {
        dismiss()
    }

    /// The group has ended, or is ended by its owner.
    func dismiss() {
        held.withLock { held in
            guard held >= 0 else { return }
            kill(-pid, SIGKILL)
            close(held)
            held = -1
        }
    }

    /// What becomes of the pipe when this process is killed.
    func abandon() {
        held.withLock { held in
            close(held)
            held = -1
        }
    }
}

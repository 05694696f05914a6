import Dispatch
import Glibc
import Synchronization

/// The first process of a container is given everybody's orphans, and nobody else takes their ends away.
///
/// Does nothing in any other process: there a child that it does not know is somebody else's.
final class OrphanReaper: Sendable {
    static let shared = OrphanReaper(isInit: getpid() == 1)

    private let isInit: Bool
    private let state = Mutex(State())

    private struct State {
        /// Children for whose end somebody waits.
        var spared: Set<Int32> = []
        var isRunning = false
    }

    private init(isInit: Bool) {
        self.isInit = isInit
    }

    /// This one's end is waited for elsewhere. To be called before anything else is started.
    func spare(_ pid: Int32) {
        guard isInit else { return }
        let begins = state.withLock { state in
            state.spared.insert(pid)
            defer { state.isRunning = true }
            return !state.isRunning
        }
        if begins { DispatchQueue(label: "hms-orphans").async { self.reapForEver() } }
    }

    private func reapForEver() {
        while true {
            var ended = siginfo_t()
            guard waitid(P_ALL, 0, &ended, WEXITED | WNOWAIT) == 0 else {
                // No children at the moment.
                usleep(200_000)
                continue
            }
            let pid = ended._sifields._sigchld.si_pid
            // A child that has just been started may end before it is spared: starting holds the same turn.
            let isOrphan = ProcessSpawn.turn.withLock { _ in state.withLock { !$0.spared.contains(pid) } }
            if isOrphan {
                var status: Int32 = 0
                waitpid(pid, &status, WNOHANG)
                continue
            }
            usleep(20_000)
        }
    }
}

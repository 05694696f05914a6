import Synchronization

/// How far the daemon is: starting, ready, stopping.
final class Readiness: Sendable {
    private enum Stage: UInt8, AtomicRepresentable {
        case starting
        case ready
        case stopping
    }

    private let stage = Atomic<Stage>(.starting)
    private let publicDoor = Mutex("")

    /// Its most public TCP door, `host:port`; empty before it is ready, and where it has only sockets.
    var address: String {
        publicDoor.withLock { $0 }
    }

    var isReady: Bool {
        stage.load(ordering: .relaxed) == .ready
    }

    var state: String {
        switch stage.load(ordering: .relaxed) {
        case .starting: "starting"
        case .ready: "ready"
        case .stopping: "stopping"
        }
    }

    /// - Parameter addresses: of all doors, the most public one first.
    func becomeReady(at addresses: [String]) {
        if let first = addresses.first, !first.hasPrefix("unix:") { publicDoor.withLock { $0 = first } }
        _ = stage.compareExchange(expected: .starting, desired: .ready, ordering: .relaxed)
    }

    func becomeStopping() {
        stage.store(.stopping, ordering: .relaxed)
    }
}

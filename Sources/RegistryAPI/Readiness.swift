import Synchronization

/// How far the daemon is: starting, ready, stopping.
final class Readiness: Sendable {
    private enum Stage: UInt8, AtomicRepresentable {
        case starting
        case ready
        case stopping
    }

    private let stage = Atomic<Stage>(.starting)

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

    func becomeReady() {
        _ = stage.compareExchange(expected: .starting, desired: .ready, ordering: .relaxed)
    }

    func becomeStopping() {
        stage.store(.stopping, ordering: .relaxed)
    }
}

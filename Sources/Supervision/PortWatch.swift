import Synchronization

/// Who listens on the application's port and what is wrong with it, asked again and again at little cost: while the same
/// sockets listen, what was found of them stands, and the machine's processes need not be looked through.
public final class PortWatch: Sendable {
    private struct Finding {
        var sockets: [ListeningSocket]
        var ancestor: Int32?
        var owners: [PortOwner]
        var fault: PortFault?
    }

    private let port: UInt16
    private let proc: ProcessTable
    private let last = Mutex<Finding?>(nil)

    public init(port: UInt16, in proc: ProcessTable = ProcessTable()) {
        self.port = port
        self.proc = proc
    }

    /// - Parameter ancestor: as `PortFault.whileRunning` takes it.
    public func look(startedBy ancestor: Int32?) -> (owners: [PortOwner], fault: PortFault?) {
        let sockets = proc.listeningSockets(on: port)
        return last.withLock { last in
            if let last, last.sockets == sockets, last.ancestor == ancestor { return (last.owners, last.fault) }
            let owners = PortOwner.of(sockets, in: proc)
            let fault = PortFault.whileRunning(port: port, owners: owners, startedBy: ancestor, in: proc)
            // A process that was just starting may have been passed over: one looks again.
            let isComplete = owners.allSatisfy { $0.pid != nil }
            last =
                isComplete ? Finding(sockets: sockets, ancestor: ancestor, owners: owners, fault: fault) : nil
            return (owners, fault)
        }
    }
}

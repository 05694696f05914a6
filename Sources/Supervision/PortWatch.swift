import Synchronization

/// `PortFault.whileRunning`, asked again and again at little cost: while the same sockets listen, what was found of them
/// stands, and the machine's processes need not be looked through.
public final class PortWatch: Sendable {
    private struct Finding {
        var sockets: [ListeningSocket]
        var ancestor: Int32?
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
    public func fault(startedBy ancestor: Int32?) -> PortFault? {
        let sockets = proc.listeningSockets(on: port)
        return last.withLock { last in
            if let last, last.sockets == sockets, last.ancestor == ancestor { return last.fault }
            let owners = ancestor == nil ? [] : PortOwner.of(sockets, in: proc)
            let fault = PortFault.whileRunning(sockets, of: owners, port: port, startedBy: ancestor, in: proc)
            // A process that was just starting may have been passed over: one looks again.
            let isComplete = owners.allSatisfy { $0.pid != nil }
            last = isComplete ? Finding(sockets: sockets, ancestor: ancestor, fault: fault) : nil
            return fault
        }
    }
}

import Glibc

/// What is wrong with the application's port.
public enum PortFault: Sendable, Equatable {
    /// Somebody listens there before the application was started.
    case taken(port: UInt16, by: PortOwner)
    /// What listens there was not started by the command.
    case foreign(port: UInt16, owner: PortOwner)
    /// The application can be reached around the sidecar.
    case exposed(port: UInt16, addresses: [ListeningSocket.Address])

    /// Before the application is started: whether its port is free.
    public static func beforeStart(port: UInt16, in proc: ProcessTable = ProcessTable()) -> PortFault? {
        PortOwner.of(port: port, in: proc).first.map { .taken(port: port, by: $0) }
    }

    /// Once the port answers: whether it is the command's own, and on loopback alone.
    ///
    /// - Parameters:
    ///   - owners: who listens on the port.
    ///   - ancestor: the command's pid; nil: the application was started elsewhere, whose it is doesn't matter.
    public static func whileRunning(
        port: UInt16,
        owners: [PortOwner],
        startedBy ancestor: Int32?,
        in proc: ProcessTable = ProcessTable()
    ) -> PortFault? {
        if let ancestor, let foreign = owners.first(where: { !$0.descends(from: ancestor, in: proc) }),
            !owners.contains(where: { $0.descends(from: ancestor, in: proc) })
        {
            return .foreign(port: port, owner: foreign)
        }
        let exposed = owners.flatMap(\.addresses).filter { !$0.isLoopback }
        return exposed.isEmpty ? nil : .exposed(port: port, addresses: exposed)
    }

    /// As people are told.
    public var message: String {
        switch self {
        case .taken(let port, let owner): "Port \(port) is taken by \(owner.description)"
        case .foreign(let port, let owner): "port \(port) belongs to \(owner.description)"
        case .exposed(let port, let addresses):
            "the app also listens on \(addresses.map { $0.description(port: port) }.joined(separator: ", ")): "
                + "reachable without mTLS"
        }
    }

    /// What to do about it.
    ///
    /// - Parameter service: the service's name.
    public func hint(service: String) -> String {
        switch self {
        case .taken(let port, _):
            "a second instance of \(service): hms-mesh dev --port \(port > 65_525 ? port - 10 : port + 10)"
        case .foreign: "stop it, or give the app another port: hms-mesh dev --port N"
        case .exposed: "listen on 127.0.0.1 (HOST is set to it for the app)"
        }
    }
}

extension ListeningSocket.Address {
    /// `0.0.0.0:7000`, `[::]:7000`
    public func description(port: UInt16) -> String {
        description.contains(":") ? "[\(description)]:\(port)" : "\(description):\(port)"
    }
}

public import RegistryModel

/// How far a watcher has come: opaque to it, an epoch and a sequence to us.
public struct WatchCursor: Sendable, Equatable, CustomStringConvertible {
    public var epoch: Epoch
    public var sequence: SequenceNumber

    public init(epoch: Epoch, sequence: SequenceNumber) {
        self.epoch = epoch
        self.sequence = sequence
    }

    /// As `description` gives it.
    public init?(_ text: some StringProtocol) {
        guard let tag = IncarnationTag(text) else { return nil }
        self.init(epoch: tag.epoch, sequence: tag.handle)
    }

    public var description: String {
        "\(epoch)-\(sequence)"
    }
}

/// What somebody watches.
public enum WatchedServices: Sendable, Equatable {
    case all
    case named(Set<ServiceName>)

    func contains(_ service: ServiceName) -> Bool {
        switch self {
        case .all: true
        case .named(let names): names.contains(service)
        }
    }
}

/// One message to a watcher: state, never history.
public enum WatchEvent: Sendable, Equatable {
    /// What the watcher has is of another history: it forgets all.
    case reset
    /// Everything that is not to be believed any more, replacing what the watcher has.
    case denied([Revocation])
    /// Other roots are to be believed than before: whoever sends it says which.
    case trustChanged
    /// The whole state of a service, replacing what the watcher has. `instances` is a JSON array; a name that is not known
    /// has none.
    case service(ServiceName, instances: [UInt8], policy: MeshPolicy?, isKnown: Bool)
    /// `instance` is a JSON object.
    case upsert(ServiceName, instance: [UInt8])
    case remove(InstanceKey)
    case policy(ServiceName, MeshPolicy?)
}

/// What a watcher is sent at once.
public struct WatchBatch: Sendable, Equatable {
    public var events: [WatchEvent]
    /// Where the watcher is once it has taken all events; nil where more of this very state follows.
    public var cursor: WatchCursor?
}

public import RegistryModel

/// Something that somebody wants done. What it says was checked at the door; whether it can be is decided in the view's
/// write transaction.
public enum Command: Sendable {
    case register(Registration)
    /// A beat that may change health; beats that change nothing never become commands.
    case report(InstanceKey, handle: InstanceHandle, reported: Health?, detail: String, isProbe: Bool)
    case drain(InstanceKey, ifMatch: IncarnationTag?)
    case deregister(InstanceKey, ifMatch: IncarnationTag?)
    case removeService(ServiceName)
    case setPolicy(ServiceName, MeshPolicy)
    case removePolicy(ServiceName)
    case addExternal(Instance)
    /// Somebody wants to look on at an instance's requests: by a certificate that must be an operator's.
    case observe(InstanceKey, serial: String, target: String, at: Timestamp)
    case overrideGuard(GuardOverride)
    /// A certificate that was signed, and goes to whoever asked once this is on record.
    case issueCertificate(CertificateRecord, CertificateGrounds)
    case createToken(TokenRecord)
    case revokeToken(hash: [UInt8])
    /// A command of a workload about an instance: it must be of its own key lineage, or new.
    indirect case owned(Command, lineage: String)
    case revoke(Revocation)
    /// The registry's own decisions: silence, guard, clock, its own life.
    case markUnhealthy(InstanceKey, handle: InstanceHandle)
    case markProtected(InstanceKey, handle: InstanceHandle)
    case expire(InstanceKey, handle: InstanceHandle)
    case record(EventKind)

    /// The command itself, whoever's it is.
    var content: Command {
        if case .owned(let command, _) = self { command } else { self }
    }

    /// Whether it goes on while the disk is full: it frees room or keeps look-ups true.
    var isAllowedOnFullDisk: Bool {
        switch self {
        case .register, .setPolicy, .addExternal, .createToken: false
        case .owned(let command, _): command.isAllowedOnFullDisk
        case .issueCertificate, .revoke, .revokeToken, .report, .drain, .deregister, .removeService, .removePolicy,
            .overrideGuard,
            .markUnhealthy,
            .markProtected, .expire, .record, .observe:
            true
        }
    }
}

/// By what right somebody gets a certificate.
public enum CertificateGrounds: Sendable, Equatable {
    /// The operator's own act.
    case operatorsAct
    /// A join token, shown from an address at a time.
    case token(hash: [UInt8], host: String, at: Timestamp)
    /// The valid certificate that is renewed; the handshake proved its key.
    case renewal(at: Timestamp)
    /// A lapsed certificate whose key signed the request.
    case rejoin(at: Timestamp, window: Duration)
}

/// One incarnation, as an ETag names it: `"<epoch>-<handle>"`.
public struct IncarnationTag: Sendable, Equatable, CustomStringConvertible {
    public var epoch: Epoch
    public var handle: InstanceHandle

    public init(epoch: Epoch, handle: InstanceHandle) {
        self.epoch = epoch
        self.handle = handle
    }

    /// Without quotation marks, or with.
    public init?(_ text: some StringProtocol) {
        var rest = Substring(text)
        if rest.hasPrefix("W/") { rest = rest.dropFirst(2) }
        if rest.hasPrefix("\""), rest.hasSuffix("\""), rest.utf8.count >= 2 { rest = rest.dropFirst().dropLast() }
        let parts = rest.split(separator: "-", maxSplits: 1, omittingEmptySubsequences: false)
        guard parts.count == 2, let epoch = Epoch(parts[0]), let handle = UInt64(parts[1]) else { return nil }
        self.init(epoch: epoch, handle: InstanceHandle(handle))
    }

    public var description: String {
        "\(epoch)-\(handle)"
    }
}

/// What became of a command.
public enum CommandReply: Sendable, Equatable {
    case registered(RegistrationReply)
    /// The health after the command; `changed` where an event tells of it.
    case health(Health, changed: Bool)
    case deregistered(count: Int)
    case policy(MeshPolicy?)
    case done
}

public struct RegistrationReply: Sendable, Equatable {
    public enum Result: String, Sendable {
        /// There was none of this id.
        case registered
        /// A new incarnation took over.
        case replaced
        /// The same incarnation, with other particulars.
        case updated
        /// Nothing changed: it counts as a heartbeat.
        case unchanged
        /// Nothing but that it was ill or draining and is starting again.
        case revived
    }

    public var handle: InstanceHandle
    public var result: Result
    public var health: Health
    /// nil: it never expires.
    public var ttl: Duration?
}

/// A command's reply, with the sequence through which the view holds what it did.
public struct CommandOutcome: Sendable {
    public var reply: CommandReply
    public var sequence: SequenceNumber
}

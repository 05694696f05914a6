/// Something that happened, once it has a place in history.
public struct Event: Sendable, Equatable {
    public var sequence: SequenceNumber
    public var time: Timestamp
    /// nil: the registry itself.
    public var actor: Actor?
    /// Of the request that caused it; empty where there was none.
    public var requestID: String
    public var kind: EventKind

    public init(sequence: SequenceNumber, time: Timestamp, actor: Actor?, requestID: String = "", kind: EventKind) {
        self.sequence = sequence
        self.time = time
        self.actor = actor
        self.requestID = requestID
        self.kind = kind
    }
}

/// Who caused an event.
public struct Actor: Sendable, Equatable {
    public enum Identity: Sendable, Equatable {
        case spiffeID(String)
        case token(String)
        /// The operator's socket: the peer's user id is the credential.
        case uid(UInt32)
    }

    public var identity: Identity
    /// `host:port`; empty for a Unix socket.
    public var peer: String

    public init(_ identity: Identity, peer: String = "") {
        self.identity = identity
        self.peer = peer
    }
}

/// Facts, in the past tense. New kinds may come; a reader keeps what it does not know as bytes.
public enum EventKind: Sendable, Equatable {
    /// Indirect, as is the other one with an instance: events are handed on often, and a registration is several times as
    /// large as any other kind.
    indirect case instanceRegistered(Instance, health: Health)
    case instanceDeregistered(InstanceKey, handle: InstanceHandle, cause: TransitionCause)
    case instanceDraining(InstanceKey, handle: InstanceHandle)
    case healthChanged(HealthChange)
    case servicePolicySet(ServiceName, MeshPolicy)
    case servicePolicyRemoved(ServiceName)
    /// The instance carries `externalURL`; its endpoint is the URL's host and port.
    indirect case externalServiceAdded(Instance)
    case externalServiceRemoved(ServiceName)
    /// Beats stream only.
    case heartbeats(PackedHeartbeats)
    case beatsSealed(BeatsSeal)
    case registryStarted(version: String, clean: Bool)
    case registryStopped(reason: String)
    case clockStepped(from: Timestamp, to: Timestamp)
    case protectionStarted(ProtectionReport)
    case protectionEnded(ProtectionReport)
    case guardOverridden(GuardOverride)
    case certificateIssued(CertificateRecord)
    case certificateRevoked(Revocation)
    case tokenCreated(TokenRecord)
    /// The serial number is that of the certificate that it was used for.
    case tokenUsed(hash: [UInt8], serial: String)
    case tokenRevoked(hash: [UInt8])
    case checkpointed(CheckpointRecord)
    case registryRestored(RestoreRecord)
    case snapshotTaken(SnapshotRecord)
    /// Checkpoints are signed by another key from here on.
    case checkpointKeyRotated(KeyRotationRecord)
    /// Somebody looked on at an instance's requests, from elsewhere.
    case sidecarTailed(TailRecord)
    /// The certificate authority changed hands, or made another issuer.
    case authorityChanged(AuthorityChange)
    /// Written by a later release: no part of any state that this one knows.
    case unknown
}

public struct HealthChange: Sendable, Equatable {
    public var key: InstanceKey
    public var handle: InstanceHandle
    public var from: Health
    public var to: Health
    public var cause: TransitionCause
    /// At most 256 bytes.
    public var detail: String

    public init(
        key: InstanceKey,
        handle: InstanceHandle,
        from: Health,
        to: Health,
        cause: TransitionCause,
        detail: String = ""
    ) {
        self.key = key
        self.handle = handle
        self.from = from
        self.to = to
        self.cause = cause
        self.detail = detail
    }
}

/// Who looked on at the requests of an instance, through its sidecar.
public struct TailRecord: Sendable, Equatable {
    public var key: InstanceKey
    /// The observer, and the certificate that proved it.
    public var spiffeID: String
    public var serial: String
    /// What was asked for: `/tail?service=identity-check`.
    public var target: String

    public init(key: InstanceKey, spiffeID: String, serial: String, target: String) {
        self.key = key
        self.spiffeID = spiffeID
        self.serial = serial
        self.target = target
    }
}

/// A sealed segment of heartbeats, on record in the log so that it can't be changed unseen.
public struct BeatsSeal: Sendable, Equatable {
    public var first: SequenceNumber
    public var last: SequenceNumber
    /// Heartbeats held.
    public var count: UInt64
    /// Of the whole segment file.
    public var sha256: [UInt8]

    public init(first: SequenceNumber, last: SequenceNumber, count: UInt64, sha256: [UInt8]) {
        self.first = first
        self.last = last
        self.count = count
        self.sha256 = sha256
    }
}

/// What the mass expiry guard saw.
public struct ProtectionReport: Sendable, Equatable {
    /// Instances that should have beaten within a ttl.
    public var expected: UInt64
    /// Those that did.
    public var seen: UInt64
    public var why: String

    public init(expected: UInt64, seen: UInt64, why: String) {
        self.expected = expected
        self.seen = seen
        self.why = why
    }
}

/// An operator's word to the mass expiry guard.
public enum GuardOverride: UInt8, Sendable {
    /// End the protection; expiries go ahead.
    case release = 1
    /// Protect until released.
    case hold = 2
}

import FoundationEssentials
import SwiftProtobuf

// `Event` to and from `hms.log.v1.Event`. Only files named `…+Protobuf` touch generated types.

extension Event {
    /// The bytes of one `hms.log.v1.Event`: what is a Merkle leaf, and what stands in a segment behind its length.
    public func serialized() -> [UInt8] {
        if case .instanceRegistered(let instance, let health) = kind { return serializedRegistration(instance, health) }
        return serializedByLibrary()
    }

    func serializedByLibrary() -> [UInt8] {
        var message = Hms_Log_V1_Event()
        message.sequence = sequence.rawValue
        message.timeUnixNs = time.rawValue
        if let actor { message.actor = actor.message }
        message.requestID = requestID
        message.kind = kind.message
        do {
            return try message.serializedBytes()
        } catch {
            // Only missing required fields (proto2) or over 2 GiB can fail; neither can be here.
            preconditionFailure("an event of bounded fields always serializes: \(error)")
        }
    }

    /// - Throws: `malformedEvent` where the bytes are not an event, or name something no version of this can mean.
    public init(serialized bytes: UnsafeRawBufferPointer) throws(RegistryModelError) {
        if let plain = Event(plain: bytes) {
            self = plain
        } else {
            try self.init(byLibrary: bytes)
        }
    }

    init(byLibrary bytes: UnsafeRawBufferPointer) throws(RegistryModelError) {
        let message: Hms_Log_V1_Event
        do {
            message = try Hms_Log_V1_Event(serializedBytes: RawBytes(buffer: bytes))
        } catch {
            throw RegistryModelError(.malformedEvent, "not an hms.log.v1.Event: \(error)")
        }
        let kind: EventKind
        do throws(RegistryModelError) {
            kind = try EventKind(message)
        } catch {
            throw RegistryModelError(.malformedEvent, error.message)
        }
        self.init(
            sequence: SequenceNumber(message.sequence),
            time: Timestamp(rawValue: message.timeUnixNs),
            actor: message.hasActor ? Actor(message.actor) : nil,
            requestID: message.requestID,
            kind: kind
        )
    }
}

/// Lets SwiftProtobuf read from memory that somebody else owns, without a copy.
private struct RawBytes: SwiftProtobufContiguousBytes {
    let buffer: UnsafeRawBufferPointer

    init(buffer: UnsafeRawBufferPointer) {
        self.buffer = buffer
    }

    init(repeating: UInt8, count: Int) {
        preconditionFailure("read-only")
    }

    init<S: Sequence>(_ sequence: S) where S.Element == UInt8 {
        preconditionFailure("read-only")
    }

    var count: Int {
        buffer.count
    }

    func withUnsafeBytes<R>(_ body: (UnsafeRawBufferPointer) throws -> R) rethrows -> R {
        try body(buffer)
    }

    mutating func withUnsafeMutableBytes<R>(_ body: (UnsafeMutableRawBufferPointer) throws -> R) rethrows -> R {
        preconditionFailure("read-only")
    }
}

extension Actor {
    fileprivate var message: Hms_Log_V1_Actor {
        var message = Hms_Log_V1_Actor()
        switch identity {
        case .spiffeID(let id): message.spiffeID = id
        case .token(let id): message.tokenID = id
        case .uid(let uid): message.uid = uid
        }
        message.peer = peer
        return message
    }

    fileprivate init?(_ message: Hms_Log_V1_Actor) {
        switch message.who {
        case .spiffeID(let id): self.init(.spiffeID(id), peer: message.peer)
        case .tokenID(let id): self.init(.token(id), peer: message.peer)
        case .uid(let uid): self.init(.uid(uid), peer: message.peer)
        case nil: return nil
        }
    }
}

extension EventKind {
    fileprivate var message: Hms_Log_V1_Event.OneOf_Kind? {
        switch self {
        case .instanceRegistered(let instance, let health):
            .instanceRegistered(instance.registeredMessage(health: health))
        case .instanceDeregistered(let key, let handle, let cause):
            .instanceDeregistered(
                .with {
                    $0.service = key.service.description
                    $0.id = key.id.description
                    $0.handle = handle.rawValue
                    $0.cause = cause.message
                }
            )
        case .instanceDraining(let key, let handle):
            .instanceDraining(
                .with {
                    $0.service = key.service.description
                    $0.id = key.id.description
                    $0.handle = handle.rawValue
                }
            )
        case .healthChanged(let change):
            .healthChanged(
                .with {
                    $0.service = change.key.service.description
                    $0.id = change.key.id.description
                    $0.handle = change.handle.rawValue
                    $0.from = change.from.message
                    $0.to = change.to.message
                    $0.cause = change.cause.message
                    $0.detail = change.detail
                }
            )
        case .servicePolicySet(let service, let policy):
            .servicePolicySet(
                .with {
                    $0.service = service.description
                    $0.policy = policy.message
                }
            )
        case .servicePolicyRemoved(let service):
            .servicePolicyRemoved(.with { $0.service = service.description })
        case .externalServiceAdded(let instance):
            .externalServiceAdded(
                .with {
                    $0.service = instance.key.service.description
                    $0.id = instance.key.id.description
                    $0.url = instance.externalURL ?? ""
                    $0.host = instance.endpoint.host
                    $0.port = UInt32(instance.endpoint.port)
                }
            )
        case .externalServiceRemoved(let service):
            .externalServiceRemoved(.with { $0.service = service.description })
        case .heartbeats(let beats):
            .heartbeats(
                .with {
                    $0.follows = beats.follows.rawValue
                    $0.baseUnixMs = beats.baseUnixMilliseconds
                    $0.count = beats.count
                    $0.packed = .init(beats.packed)
                }
            )
        case .beatsSealed(let seal):
            .beatsSealed(
                .with {
                    $0.first = seal.first.rawValue
                    $0.last = seal.last.rawValue
                    $0.count = seal.count
                    $0.sha256 = .init(seal.sha256)
                }
            )
        case .registryStarted(let version, let clean):
            .registryStarted(
                .with {
                    $0.version = version
                    $0.clean = clean
                }
            )
        case .registryStopped(let reason):
            .registryStopped(.with { $0.reason = reason })
        case .clockStepped(let from, let to):
            .clockStepped(
                .with {
                    $0.fromUnixNs = from.rawValue
                    $0.toUnixNs = to.rawValue
                }
            )
        case .protectionStarted(let report):
            .protectionStarted(
                .with {
                    $0.expected = report.expected
                    $0.seen = report.seen
                    $0.why = report.why
                }
            )
        case .protectionEnded(let report):
            .protectionEnded(
                .with {
                    $0.expected = report.expected
                    $0.seen = report.seen
                    $0.why = report.why
                }
            )
        case .guardOverridden(let word):
            .operatorOverride(.with { $0.guard = word == .release ? .release : .hold })
        case .certificateIssued(let certificate): .certificateIssued(certificate.message)
        case .certificateRevoked(let revocation): .certificateRevoked(revocation.message)
        case .tokenCreated(let token): .tokenCreated(token.message)
        case .tokenUsed(let hash, let serial):
            .tokenUsed(
                .with {
                    $0.hash = .init(hash)
                    $0.serial = serial
                }
            )
        case .tokenRevoked(let hash): .tokenRevoked(.with { $0.hash = .init(hash) })
        case .checkpointed(let record): .checkpointed(record.message)
        case .registryRestored(let record): .registryRestored(record.message)
        case .snapshotTaken(let record): .snapshotTaken(record.message)
        case .checkpointKeyRotated(let record): .checkpointKeyRotated(record.message)
        case .sidecarTailed(let record): .sidecarTailed(record.message)
        case .authorityChanged(let change): .authorityChanged(change.message)
        case .unknown: nil
        }
    }

    fileprivate init(_ message: Hms_Log_V1_Event) throws(RegistryModelError) {
        switch message.kind {
        case .instanceRegistered(let it):
            self = .instanceRegistered(try Instance(it), health: try Health(it.health))
        case .instanceDeregistered(let it):
            self = .instanceDeregistered(
                try InstanceKey(it.service, it.id),
                handle: SequenceNumber(it.handle),
                cause: try TransitionCause(it.cause)
            )
        case .instanceDraining(let it):
            self = .instanceDraining(try InstanceKey(it.service, it.id), handle: SequenceNumber(it.handle))
        case .healthChanged(let it):
            self = .healthChanged(
                HealthChange(
                    key: try InstanceKey(it.service, it.id),
                    handle: SequenceNumber(it.handle),
                    from: try Health(it.from),
                    to: try Health(it.to),
                    cause: try TransitionCause(it.cause),
                    detail: it.detail
                )
            )
        case .servicePolicySet(let it):
            self = .servicePolicySet(try ServiceName(it.service), MeshPolicy(it.policy))
        case .servicePolicyRemoved(let it):
            self = .servicePolicyRemoved(try ServiceName(it.service))
        case .externalServiceAdded(let it):
            guard let port = UInt16(exactly: it.port) else {
                throw RegistryModelError(.malformedEvent, "port \(it.port) of an external service is out of range")
            }
            var instance = Instance(
                key: try InstanceKey(it.service, it.id),
                endpoint: try Endpoint(host: it.host, port: port)
            )
            instance.externalURL = it.url
            instance.lease = .permanent
            self = .externalServiceAdded(instance)
        case .externalServiceRemoved(let it):
            self = .externalServiceRemoved(try ServiceName(it.service))
        case .heartbeats(let it):
            self = .heartbeats(
                PackedHeartbeats(
                    follows: SequenceNumber(it.follows),
                    baseUnixMilliseconds: it.baseUnixMs,
                    count: it.count,
                    packed: [UInt8](it.packed)
                )
            )
        case .beatsSealed(let it):
            self = .beatsSealed(
                BeatsSeal(
                    first: SequenceNumber(it.first),
                    last: SequenceNumber(it.last),
                    count: it.count,
                    sha256: [UInt8](it.sha256)
                )
            )
        case .registryStarted(let it): self = .registryStarted(version: it.version, clean: it.clean)
        case .registryStopped(let it): self = .registryStopped(reason: it.reason)
        case .clockStepped(let it):
            self = .clockStepped(from: Timestamp(rawValue: it.fromUnixNs), to: Timestamp(rawValue: it.toUnixNs))
        case .protectionStarted(let it):
            self = .protectionStarted(ProtectionReport(expected: it.expected, seen: it.seen, why: it.why))
        case .protectionEnded(let it):
            self = .protectionEnded(ProtectionReport(expected: it.expected, seen: it.seen, why: it.why))
        case .operatorOverride(let it):
            switch it.guard {
            case .release: self = .guardOverridden(.release)
            case .hold: self = .guardOverridden(.hold)
            case .unspecified, .UNRECOGNIZED: self = .unknown
            }
        case .certificateIssued(let it): self = .certificateIssued(try CertificateRecord(it))
        case .certificateRevoked(let it): self = .certificateRevoked(try Revocation(it))
        case .tokenCreated(let it): self = .tokenCreated(try TokenRecord(it))
        case .tokenUsed(let it): self = .tokenUsed(hash: try digest(it.hash), serial: it.serial)
        case .tokenRevoked(let it): self = .tokenRevoked(hash: try digest(it.hash))
        case .checkpointed(let it): self = .checkpointed(try CheckpointRecord(it))
        case .registryRestored(let it): self = .registryRestored(try RestoreRecord(it))
        case .snapshotTaken(let it): self = .snapshotTaken(try SnapshotRecord(it))
        case .checkpointKeyRotated(let it): self = .checkpointKeyRotated(try KeyRotationRecord(it))
        case .sidecarTailed(let it): self = .sidecarTailed(try TailRecord(it))
        case .authorityChanged(let it): self = .authorityChanged(try AuthorityChange(it))
        case nil: self = .unknown
        }
    }
}

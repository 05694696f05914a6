public import RegistryModel

/// Places and people that tests speak of.
public enum Sample {
    public static func key(_ service: String, _ id: String) -> InstanceKey {
        do {
            return InstanceKey(service: try ServiceName(service), id: try InstanceID(id))
        } catch {
            preconditionFailure("\(service)/\(id) is no key: \(error)")
        }
    }

    public static func endpoint(_ host: String, _ port: UInt16) -> Endpoint {
        do {
            return try Endpoint(host: host, port: port)
        } catch {
            preconditionFailure("\(host):\(port) is no endpoint: \(error)")
        }
    }

    /// `billing/b-1` at 10.0.0.1:17000, with nothing said of it.
    public static func instance(
        _ service: String = "billing",
        _ id: String = "b-1",
        host: String = "10.0.0.1",
        port: UInt16 = 17_000
    ) -> Instance {
        Instance(key: key(service, id), endpoint: endpoint(host, port))
    }

    /// 2026-11-24T14:05:12.481Z
    public static let time = Timestamp(rawValue: 1_795_529_112_481_000_000)

    /// An event of a few bytes that says its own number.
    public static func event(_ sequence: UInt64, time: Timestamp? = nil, reason: String? = nil) -> Event {
        Event(
            sequence: SequenceNumber(sequence),
            time: time ?? Self.time.advanced(by: .milliseconds(Int64(sequence))),
            actor: nil,
            kind: .registryStopped(reason: reason ?? "event \(sequence)")
        )
    }
}

extension SeededGenerator {
    /// One of few services, so that random events meet.
    public mutating func key() -> InstanceKey {
        Sample.key(pick(["billing", "ledger", "mail"]), "i-\(below(6))")
    }

    public mutating func instance() -> Instance {
        var instance = Instance(key: key(), endpoint: Sample.endpoint("10.0.0.\(below(4))", UInt16(1 + below(65_535))))
        instance.appPort = oneIn(2) ? UInt16(1 + below(65_535)) : nil
        instance.version = pick(["1.0", "1.1", "2.0", ""])
        instance.zone = text(upTo: 6)
        instance.tags = (0..<below(4)).map { _ in text(upTo: 8) }
        instance.metadata = (0..<below(4)).map { MetadataEntry(key: "k\($0)", value: text(upTo: 12)) }
        instance.weight = UInt32(below(10_001))
        instance.applicationProtocol = pick(["", "http1", "h2c"])
        instance.lease = pick([.inherited, .permanent, .ttl(milliseconds: UInt64(1_000 + below(60_000)))])
        instance.repeatable = (0..<below(3)).map { _ in text(upTo: 10) }
        instance.keyLineage = text(upTo: 8)
        instance.tlsCert = text(upTo: 8)
        instance.startID = text(upTo: 8)
        return instance
    }

    public mutating func externalService() -> Instance {
        var instance = Sample.instance("partner", "external", host: "api.example.org", port: 443)
        instance.externalURL = "https://api.example.org/" + text(upTo: 8)
        instance.lease = .permanent
        return instance
    }

    public mutating func policy() -> MeshPolicy {
        MeshPolicy(
            retries: oneIn(2) ? UInt32(below(11)) : nil,
            timeoutMilliseconds: oneIn(2) ? magnitude() : nil,
            perTryTimeoutMilliseconds: oneIn(2) ? magnitude() : nil,
            ttlMilliseconds: oneIn(2) ? magnitude() : nil,
            deregisterAfterMilliseconds: oneIn(2) ? magnitude() : nil
        )
    }

    public mutating func actor() -> Actor? {
        switch below(4) {
        case 0: nil
        case 1: Actor(.spiffeID("spiffe://example.org/" + text(upTo: 6)), peer: "10.0.0.9:4711")
        case 2: Actor(.token(text(upTo: 6)), peer: text(upTo: 6))
        default: Actor(.uid(UInt32(below(3))))
        }
    }

    public mutating func timestamp() -> Timestamp {
        Timestamp(rawValue: Int64(bitPattern: next()))
    }

    public mutating func report() -> ProtectionReport {
        ProtectionReport(expected: magnitude(), seen: magnitude(), why: text(upTo: 20))
    }

    /// One of few, so that random events meet.
    public mutating func serial() -> String {
        "4" + String(below(6), radix: 16)
    }

    /// An event of the `index`-th kind, of ``eventKinds``.
    public mutating func eventKind(_ index: Int) -> EventKind {
        let handle = InstanceHandle(magnitude())
        switch index {
        case 0: return .instanceRegistered(instance(), health: pick(Health.allCases))
        case 1: return .instanceDeregistered(key(), handle: handle, cause: pick(TransitionCause.allCases))
        case 2: return .instanceDraining(key(), handle: handle)
        case 3:
            let change = HealthChange(
                key: key(),
                handle: handle,
                from: pick(Health.allCases),
                to: pick(Health.allCases),
                cause: pick(TransitionCause.allCases),
                detail: text(upTo: 40)
            )
            return .healthChanged(change)
        case 4: return .servicePolicySet(key().service, policy())
        case 5: return .servicePolicyRemoved(key().service)
        case 6: return .externalServiceAdded(externalService())
        case 7: return .externalServiceRemoved(key().service)
        case 8:
            let beats = PackedHeartbeats(
                follows: handle,
                baseUnixMilliseconds: Int64(bitPattern: next()),
                count: UInt32(truncatingIfNeeded: next()),
                packed: bytes(below(40))
            )
            return .heartbeats(beats)
        case 9:
            let seal = BeatsSeal(first: handle, last: handle.next, count: magnitude(), sha256: bytes(32))
            return .beatsSealed(seal)
        case 10: return .registryStarted(version: text(upTo: 8), clean: oneIn(2))
        case 11: return .registryStopped(reason: text(upTo: 30))
        case 12: return .clockStepped(from: timestamp(), to: timestamp())
        case 13: return .protectionStarted(report())
        case 14: return .protectionEnded(report())
        case 15: return .guardOverridden(pick([.release, .hold]))
        case 16:
            var certificate = CertificateRecord(
                serial: serial(),
                spiffeID: "spiffe://gov.local/svc/billing",
                keyHash: bytes(32),
                lineage: bytes(32),
                notAfter: timestamp()
            )
            certificate.role = pick([nil, .auditor, .operator])
            certificate.grounds = pick([.operatorsAct, .token, .renewal, .rejoin])
            certificate.previous = oneIn(2) ? "" : serial()
            return .certificateIssued(certificate)
        case 17:
            let subject: Revocation.Subject = oneIn(2) ? .serial(serial()) : .service(key().service)
            return .certificateRevoked(Revocation(subject: subject, before: timestamp(), until: timestamp()))
        case 18:
            let subject: TokenRecord.Subject =
                oneIn(2) ? .service(key().service) : .person(pick([.auditor, .operator]))
            return .tokenCreated(
                TokenRecord(hash: tokenHash(), subject: subject, uses: 3, expires: timestamp(), from: "10.0.0.0/8")
            )
        case 19: return .tokenUsed(hash: tokenHash(), serial: serial())
        case 20: return .tokenRevoked(hash: tokenHash())
        case 21: return .checkpointed(checkpoint())
        case 22:
            let restore = RestoreRecord(
                parentEpoch: Epoch(rawValue: next()),
                sequence: handle,
                root: bytes(32),
                lastKnownLost: SequenceNumber(magnitude()),
                source: text(upTo: 20)
            )
            return .registryRestored(restore)
        case 23:
            let snapshot = SnapshotRecord(file: text(upTo: 20), sequence: handle, sha256: bytes(32), bytes: magnitude())
            return .snapshotTaken(snapshot)
        case 24:
            let rotation = KeyRotationRecord(
                origin: text(upTo: 20),
                oldKey: bytes(32),
                newKey: bytes(32),
                oldSignature: bytes(64),
                newSignature: bytes(64)
            )
            return .checkpointKeyRotated(rotation)
        default: return .unknown
        }
    }

    /// One of a few, so that tokens are used and revoked as well as made.
    private mutating func tokenHash() -> [UInt8] {
        Array(repeating: UInt8(below(4)), count: 32)
    }

    private mutating func checkpoint() -> CheckpointRecord {
        CheckpointRecord(
            size: SequenceNumber(magnitude()),
            root: bytes(32),
            digestVersion: 1,
            stateDigest: bytes(32),
            origin: text(upTo: 20),
            publicKey: bytes(32),
            signature: bytes(64)
        )
    }

    public static let eventKinds = 26

    public mutating func event(_ sequence: UInt64, time: Timestamp? = nil, kind: Int? = nil) -> Event {
        Event(
            sequence: SequenceNumber(sequence),
            time: time ?? Sample.time.advanced(by: .milliseconds(Int64(sequence))),
            actor: actor(),
            requestID: text(upTo: 10),
            kind: eventKind(kind ?? below(Self.eventKinds))
        )
    }
}

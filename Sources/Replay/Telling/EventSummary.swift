public import RegistryModel

/// An event in words: what reports and command lines show of it.
public struct EventSummary: Sendable {
    /// As the log's schema names it: `instance_registered`.
    public let kind: String
    /// The service that it is about; nil where it is about the registry.
    public let service: ServiceName?
    public let instance: InstanceKey?
    private let event: EventKind

    public init(_ event: Event) {
        self.event = event.kind
        let subject = Self.subject(of: event.kind)
        kind = subject.kind
        instance = subject.instance
        service = subject.service ?? subject.instance?.service
    }

    private typealias Subject = (kind: String, service: ServiceName?, instance: InstanceKey?)

    private static func subject(of kind: EventKind) -> Subject {
        switch kind {
        case .instanceRegistered(let instance, _): ("instance_registered", nil, instance.key)
        case .instanceDeregistered(let key, _, _): ("instance_deregistered", nil, key)
        case .instanceDraining(let key, _): ("instance_draining", nil, key)
        case .healthChanged(let change): ("health_changed", nil, change.key)
        case .servicePolicySet(let name, _): ("service_policy_set", name, nil)
        case .servicePolicyRemoved(let name): ("service_policy_removed", name, nil)
        case .externalServiceAdded(let instance): ("external_service_added", nil, instance.key)
        case .externalServiceRemoved(let name): ("external_service_removed", name, nil)
        case .heartbeats: ("heartbeats", nil, nil)
        case .beatsSealed: ("beats_sealed", nil, nil)
        case .registryStarted: ("registry_started", nil, nil)
        case .registryStopped: ("registry_stopped", nil, nil)
        case .clockStepped: ("clock_stepped", nil, nil)
        case .protectionStarted: ("protection_started", nil, nil)
        case .protectionEnded: ("protection_ended", nil, nil)
        case .guardOverridden: ("operator_override", nil, nil)
        case .certificateIssued(let certificate): ("certificate_issued", service(of: certificate), nil)
        case .certificateRevoked(let revocation):
            if case .service(let name) = revocation.subject {
                ("certificate_revoked", name, nil)
            } else {
                ("certificate_revoked", nil, nil)
            }
        case .tokenCreated(let token):
            if case .service(let name) = token.subject {
                ("token_created", name, nil)
            } else {
                ("token_created", nil, nil)
            }
        case .tokenUsed: ("token_used", nil, nil)
        case .tokenRevoked: ("token_revoked", nil, nil)
        case .checkpointed: ("checkpointed", nil, nil)
        case .registryRestored: ("registry_restored", nil, nil)
        case .snapshotTaken: ("snapshot_taken", nil, nil)
        case .checkpointKeyRotated: ("checkpoint_key_rotated", nil, nil)
        case .sidecarTailed(let record): ("sidecar_tailed", record.key.service, record.key)
        case .authorityChanged: ("authority_changed", nil, nil)
        case .unknown: ("unknown", nil, nil)
        }
    }

    /// `spiffe://gov.local/svc/billing` is about `billing`.
    private static func service(of certificate: CertificateRecord) -> ServiceName? {
        let parts = certificate.spiffeID.split(separator: "/")
        guard parts.count == 4, parts[2] == "svc" else { return nil }
        return try? ServiceName(String(parts[3]))
    }

    /// What happened, in a line.
    public var text: String {
        switch event {
        case .instanceRegistered(let instance, let health):
            let version = instance.version.isEmpty ? "" : ", version \(instance.version)"
            return "registered at \(instance.endpoint), \(health)\(version)"
        case .instanceDeregistered(_, _, let cause): return "deregistered: \(cause)"
        case .instanceDraining: return "draining"
        case .healthChanged(let change):
            let detail = change.detail.isEmpty ? "" : " (\(change.detail))"
            return "\(change.from) → \(change.to): \(change.cause)\(detail)"
        case .servicePolicySet(_, let policy):
            var json = JSONWriter()
            policy.write(to: &json)
            return "policy \(String(decoding: json.bytes, as: UTF8.self))"
        case .servicePolicyRemoved: return "policy removed"
        case .externalServiceAdded(let instance): return "external: \(instance.externalURL ?? "")"
        case .externalServiceRemoved: return "external service removed"
        case .certificateIssued(let certificate):
            return "certificate \(certificate.serial) for \(certificate.spiffeID) until \(certificate.notAfter.utcText)"
        case .certificateRevoked(let revocation):
            switch revocation.subject {
            case .serial(let serial): return "certificate \(serial) revoked"
            case .service: return "certificates before \(revocation.before.utcText) revoked"
            }
        case .sidecarTailed(let record):
            return "\(record.spiffeID) looked on at its requests (certificate \(record.serial)): \(record.target)"
        default: return registryText
        }
    }

    /// The first four bytes of a hash or a key: enough to tell tokens, or keys, apart.
    private static func shortHash(_ hash: [UInt8]) -> String {
        hash.prefix(4).map { String($0 >> 4, radix: 16) + String($0 & 15, radix: 16) }.joined()
    }

    private static func text(of change: AuthorityChange) -> String {
        let root = shortHash(change.rootKeyHash)
        let other = shortHash(change.otherRootKeyHash)
        let what =
            switch change.kind {
            case .rotationBegun: "root \(other) is believed beside root \(root), and is to follow it"
            case .rootHandedOver: "root \(root) signs; root \(other), which did before, is still believed"
            case .rotationEnded: "root \(other) is believed no more: root \(root) is alone"
            case .issuerReplaced: "another issuer signs under root \(root): \(shortHash(change.issuerKeyHash))"
            }
        return "\(what) (since \(change.at.utcText))"
    }

    /// The same of what is about the registry itself.
    private var registryText: String {
        switch event {
        case .heartbeats(let beats): "\(beats.count) heartbeats"
        case .beatsSealed(let seal): "\(seal.count) heartbeats sealed, batches \(seal.first) to \(seal.last)"
        case .registryStarted(let version, let clean):
            "registry \(version) started after \(clean ? "a clean stop" : "a crash")"
        case .registryStopped(let reason): "registry stopped: \(reason)"
        case .clockStepped(let from, let to): "the clock was set from \(from.utcText) to \(to.utcText)"
        case .protectionStarted(let report): "guard on: \(report.why)"
        case .protectionEnded(let report): "guard off: \(report.why)"
        case .guardOverridden(let word): word == .release ? "guard released" : "guard held"
        case .tokenCreated(let token):
            "token \(Self.shortHash(token.hash)) made, \(token.uses) uses until \(token.expires.utcText)"
        case .tokenUsed(let hash, let serial): "token \(Self.shortHash(hash)) used for certificate \(serial)"
        case .tokenRevoked(let hash): "token \(Self.shortHash(hash)) revoked"
        case .checkpointed(let record): "checkpoint of \(record.size) events signed"
        case .registryRestored(let record):
            "restored from \(record.source): history goes on behind \(record.sequence)"
        case .snapshotTaken(let record): "snapshot \(record.file) of \(record.sequence) taken"
        case .checkpointKeyRotated(let record):
            "checkpoints are signed by another key from here on: \(Self.shortHash(record.newKey)) after \(Self.shortHash(record.oldKey))"
        case .authorityChanged(let change): Self.text(of: change)
        default: "an event of a later version"
        }
    }
}

extension Actor {
    /// `uid 1001`, `spiffe://…`, `token …`, with where it came from.
    public var text: String {
        let who =
            switch identity {
            case .uid(let uid): "uid \(uid)"
            case .spiffeID(let id): id
            case .token(let id): "token \(id)"
            }
        return peer.isEmpty ? who : "\(who) at \(peer)"
    }
}

extension Event {
    /// Who caused it; the registry itself where nobody did.
    public var actorText: String {
        actor?.text ?? "registry"
    }

    /// One JSON object, keys in snake_case.
    public func write(to json: inout JSONWriter) {
        let summary = EventSummary(self)
        json.beginObject()
        json.member("sequence", sequence.rawValue)
        json.member("time", time)
        json.member("kind", summary.kind)
        if let service = summary.service { json.member("service", service.description) }
        if let instance = summary.instance { json.member("instance", instance.id.description) }
        json.member("actor", actorText)
        if !requestID.isEmpty { json.member("request_id", requestID) }
        json.member("text", summary.text)
        json.endObject()
    }
}

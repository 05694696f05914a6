public import RegistryModel

/// An event in words: what reports and command lines show of it.
public struct EventSummary: Sendable {
    /// As the log's schema names it: `instance_registered`.
    public let kind: String
    /// The service that it is about; nil where it is about the registry.
    public let service: ServiceName?
    public let instance: InstanceKey?
    /// What happened, in a line.
    public let text: String

    public init(_ event: Event) {
        let parts = Self.parts(event.kind)
        kind = parts.kind
        instance = parts.instance
        service = parts.service ?? parts.instance?.service
        text = parts.text
    }

    private typealias Parts = (kind: String, service: ServiceName?, instance: InstanceKey?, text: String)

    private static func parts(_ kind: EventKind) -> Parts {
        switch kind {
        case .instanceRegistered(let instance, let health):
            let version = instance.version.isEmpty ? "" : ", version \(instance.version)"
            return ("instance_registered", nil, instance.key, "registered at \(instance.endpoint), \(health)\(version)")
        case .instanceDeregistered(let key, _, let cause):
            return ("instance_deregistered", nil, key, "deregistered: \(cause)")
        case .instanceDraining(let key, _): return ("instance_draining", nil, key, "draining")
        case .healthChanged(let change):
            let detail = change.detail.isEmpty ? "" : " (\(change.detail))"
            return (
                "health_changed", nil, change.key, "\(change.from) → \(change.to): \(change.cause)\(detail)"
            )
        case .servicePolicySet(let name, let policy):
            var json = JSONWriter()
            policy.write(to: &json)
            return ("service_policy_set", name, nil, "policy \(String(decoding: json.bytes, as: UTF8.self))")
        case .servicePolicyRemoved(let name): return ("service_policy_removed", name, nil, "policy removed")
        case .externalServiceAdded(let instance):
            return ("external_service_added", nil, instance.key, "external: \(instance.externalURL ?? "")")
        case .externalServiceRemoved(let name):
            return ("external_service_removed", name, nil, "external service removed")
        default: return registryParts(kind)
        }
    }

    private static func registryParts(_ kind: EventKind) -> Parts {
        switch kind {
        case .heartbeats(let beats): return ("heartbeats", nil, nil, "\(beats.count) heartbeats")
        case .beatsSealed(let seal):
            return ("beats_sealed", nil, nil, "\(seal.count) heartbeats sealed, batches \(seal.first) to \(seal.last)")
        case .registryStarted(let version, let clean):
            return (
                "registry_started", nil, nil, "registry \(version) started after \(clean ? "a clean stop" : "a crash")"
            )
        case .registryStopped(let reason): return ("registry_stopped", nil, nil, "registry stopped: \(reason)")
        case .clockStepped(let from, let to):
            return ("clock_stepped", nil, nil, "the clock was set from \(from.utcText) to \(to.utcText)")
        case .protectionStarted(let report): return ("protection_started", nil, nil, "guard on: \(report.why)")
        case .protectionEnded(let report): return ("protection_ended", nil, nil, "guard off: \(report.why)")
        case .guardOverridden(let word):
            return ("operator_override", nil, nil, word == .release ? "guard released" : "guard held")
        case .certificateIssued(let certificate):
            let name = certificate.spiffeID.split(separator: "/").last.flatMap { try? ServiceName(String($0)) }
            return (
                "certificate_issued", name, nil,
                "certificate \(certificate.serial) for \(certificate.spiffeID) until \(certificate.notAfter.utcText)"
            )
        case .certificateRevoked(let revocation):
            switch revocation.subject {
            case .serial(let serial): return ("certificate_revoked", nil, nil, "certificate \(serial) revoked")
            case .service(let name):
                return ("certificate_revoked", name, nil, "certificates before \(revocation.before.utcText) revoked")
            }
        case .checkpointed(let record): return ("checkpointed", nil, nil, "checkpoint of \(record.size) events signed")
        case .registryRestored(let record):
            return (
                "registry_restored", nil, nil,
                "restored from \(record.source): history goes on behind \(record.sequence)"
            )
        case .snapshotTaken(let record):
            return ("snapshot_taken", nil, nil, "snapshot \(record.file) of \(record.sequence) taken")
        default: return ("unknown", nil, nil, "an event of a later version")
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

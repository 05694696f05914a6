import EventLog
public import RegistryModel

/// Who registered a service's instances, who ended them, and which certificates were issued for it.
public struct RegistrarReport: Sendable {
    public struct Act: Sendable, Equatable {
        public var instance: InstanceID?
        /// `instance_registered` and the like.
        public var kind: String
        public var actor: String
        public var first: Timestamp
        public var last: Timestamp
        public var times: UInt64
    }

    public struct Certificate: Sendable {
        public var record: CertificateRecord
        public var issued: Event
        /// The event that revoked it, one by one or with all of the service.
        public var revoked: Event?
    }

    public let service: ServiceName
    /// In order of instances, then of first times.
    public let acts: [Act]
    public let certificates: [Certificate]

    public static func of(_ service: ServiceName, in source: AuditSource) throws -> RegistrarReport {
        struct Key: Hashable {
            var instance: InstanceID?
            var kind: String
            var actor: String
        }
        var acts: [Key: Act] = [:]
        var certificates: [String: Certificate] = [:]
        try source.logReader().forEach(from: SequenceNumber(1)) { event, _ in
            let summary = EventSummary(event)
            if case .certificateRevoked(let revocation) = event.kind {
                revoke(revocation, event, service, &certificates)
            }
            guard summary.service == service else { return true }
            if case .certificateIssued(let record) = event.kind {
                certificates[record.serial] = Certificate(record: record, issued: event)
                return true
            }
            guard event.actor != nil else { return true }
            let key = Key(instance: summary.instance?.id, kind: summary.kind, actor: event.actorText)
            var act =
                acts[key]
                ?? Act(
                    instance: key.instance,
                    kind: key.kind,
                    actor: key.actor,
                    first: event.time,
                    last: event.time,
                    times: 0
                )
            act.last = event.time
            act.times += 1
            acts[key] = act
            return true
        }
        return RegistrarReport(
            service: service,
            acts: acts.values.sorted {
                ($0.instance?.description ?? "", $0.first, $0.kind) < (
                    $1.instance?.description ?? "", $1.first, $1.kind
                )
            },
            certificates: certificates.values.sorted { $0.issued.sequence < $1.issued.sequence }
        )
    }

    private static func revoke(
        _ revocation: Revocation,
        _ event: Event,
        _ service: ServiceName,
        _ certificates: inout [String: Certificate]
    ) {
        switch revocation.subject {
        case .serial(let serial): certificates[serial]?.revoked = event
        case .service(let name):
            guard name == service else { return }
            for serial in certificates.keys where certificates[serial]?.revoked == nil {
                certificates[serial]?.revoked = event
            }
        }
    }
}

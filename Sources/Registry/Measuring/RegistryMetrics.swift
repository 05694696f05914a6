import RegistryModel
import Synchronization

/// What the registry counts while it works.
public final class RegistryMetrics: Sendable {
    /// The kinds of event that are counted apart.
    public enum EventCount: Int, CaseIterable, Sendable {
        case instanceRegistered
        case instanceDeregistered
        case instanceDraining
        case healthChanged
        case servicePolicySet
        case servicePolicyRemoved
        case externalServiceAdded
        case externalServiceRemoved
        case certificateIssued
        case certificateRevoked
        /// Made, used and revoked.
        case token
        case checkpointed
        case registryRestored
        case snapshotTaken
        case sidecarTailed
        /// The registry's own life: starts, stops, seals, guard, clock.
        case registry

        /// As metrics name it.
        public var label: String {
            switch self {
            case .instanceRegistered: "instance_registered"
            case .instanceDeregistered: "instance_deregistered"
            case .instanceDraining: "instance_draining"
            case .healthChanged: "health_changed"
            case .servicePolicySet: "service_policy_set"
            case .servicePolicyRemoved: "service_policy_removed"
            case .externalServiceAdded: "external_service_added"
            case .externalServiceRemoved: "external_service_removed"
            case .certificateIssued: "certificate_issued"
            case .certificateRevoked: "certificate_revoked"
            case .token: "token"
            case .checkpointed: "checkpointed"
            case .registryRestored: "registry_restored"
            case .snapshotTaken: "snapshot_taken"
            case .sidecarTailed: "sidecar_tailed"
            case .registry: "registry"
            }
        }
    }

    private let events = EventCount.allCases.map { _ in Counter() }
    public let batches = Counter()
    public let batchEvents = Counter()
    public let heartbeats = Counter()
    public let lookups = Counter()
    public let fsync = LatencyHistogram()
    public let lookup = LatencyHistogram()
    /// How late deadlines were looked at.
    public let deadlineLag = LatencyHistogram()

    func countEvent(_ kind: EventKind) {
        events[Self.count(of: kind).rawValue].add(1)
    }

    /// Logged since this start.
    public func count(of kind: EventCount) -> UInt64 {
        events[kind.rawValue].value
    }

    private static func count(of kind: EventKind) -> EventCount {
        switch kind {
        case .instanceRegistered: .instanceRegistered
        case .instanceDeregistered: .instanceDeregistered
        case .instanceDraining: .instanceDraining
        case .healthChanged: .healthChanged
        case .servicePolicySet: .servicePolicySet
        case .servicePolicyRemoved: .servicePolicyRemoved
        case .externalServiceAdded: .externalServiceAdded
        case .externalServiceRemoved: .externalServiceRemoved
        case .certificateIssued: .certificateIssued
        case .certificateRevoked: .certificateRevoked
        case .tokenCreated, .tokenUsed, .tokenRevoked: .token
        case .checkpointed: .checkpointed
        case .registryRestored: .registryRestored
        case .snapshotTaken: .snapshotTaken
        case .sidecarTailed: .sidecarTailed
        case .heartbeats, .beatsSealed, .registryStarted, .registryStopped, .clockStepped, .protectionStarted,
            .protectionEnded, .guardOverridden, .checkpointKeyRotated, .authorityChanged, .unknown:
            .registry
        }
    }
}

/// Rates over about the last minute, from counters read once a second.
final class RecentRates: Sendable {
    struct Sample: Sendable {
        var at: MonotonicTime
        var heartbeats: UInt64
        var events: UInt64
        var lookups: UInt64
        var fsync: [UInt64]
        var lookup: [UInt64]
    }

    private let samples = Mutex<[Sample]>([])

    func add(_ sample: Sample) {
        samples.withLock { samples in
            samples.append(sample)
            if samples.count > 61 { samples.removeFirst() }
        }
    }

    /// The oldest and newest sample.
    var window: (first: Sample, last: Sample)? {
        samples.withLock { samples in
            guard let first = samples.first, let last = samples.last, last.at > first.at else { return nil }
            return (first, last)
        }
    }
}

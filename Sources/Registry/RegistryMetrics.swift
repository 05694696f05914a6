import RegistryModel
import Synchronization

/// What the registry counts while it works.
public final class RegistryMetrics: Sendable {
    /// The kinds of event, as metrics name them.
    public static let eventKinds = [
        "instance_registered", "instance_deregistered", "instance_draining", "health_changed", "service_policy_set",
        "service_policy_removed", "external_service_added", "external_service_removed", "registry",
    ]

    public let events: [Counter] = RegistryMetrics.eventKinds.map { _ in Counter() }
    public let batches = Counter()
    public let batchEvents = Counter()
    public let heartbeats = Counter()
    public let lookups = Counter()
    public let fsync = LatencyHistogram()
    public let lookup = LatencyHistogram()
    /// How late deadlines were looked at.
    public let deadlineLag = LatencyHistogram()

    func countEvent(_ kind: EventKind) {
        events[Self.index(of: kind)].add(1)
    }

    private static func index(of kind: EventKind) -> Int {
        switch kind {
        case .instanceRegistered: 0
        case .instanceDeregistered: 1
        case .instanceDraining: 2
        case .healthChanged: 3
        case .servicePolicySet: 4
        case .servicePolicyRemoved: 5
        case .externalServiceAdded: 6
        case .externalServiceRemoved: 7
        case .heartbeats, .beatsSealed, .registryStarted, .registryStopped, .clockStepped, .protectionStarted,
            .protectionEnded, .guardOverridden, .unknown:
            8
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

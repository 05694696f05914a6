import NIOCore
import RegistryClient
import RegistryModel
import TestSupport

@testable import Mesh

/// Instances as the registry would give them.
struct SampleInstance {
    var id = "b-1"
    var ip = "10.0.0.1"
    var port = 17_000
    var handle: UInt64 = 1
    var health = Health.healthy
    var cause = TransitionCause.reported
    var weight: UInt32 = 100
    var zone = ""
    var repeatable: [String] = []
    var externalURL: String?

    static let service = Sample.key("billing", "b-1").service

    var registered: RegisteredInstance {
        var json = JSONWriter()
        json.beginObject()
        json.member("id", id)
        json.member("ip", ip)
        json.member("port", port)
        json.member("handle", handle)
        json.member("status", health.description)
        json.member("cause", cause.description)
        json.member("weight", weight)
        json.member("zone", zone)
        json.member("repeatable", repeatable)
        if let externalURL { json.member("externalUrl", externalURL) }
        json.endObject()
        do {
            return try JSONReader.parse(json.bytes) { (reader) throws(RegistryModelError) in
                try RegisteredInstance(service: Self.service, from: &reader)
            }
        } catch {
            preconditionFailure("\(json.string) is no instance: \(error)")
        }
    }

    var routed: RoutedInstance {
        RoutedInstance(registered)
    }

    var key: InstanceKey {
        Sample.key(Self.service.description, id)
    }

    /// Healthy ones named b-1, b-2, …
    static func some(_ count: Int) -> [SampleInstance] {
        (0..<count).map { SampleInstance(id: "b-\($0 + 1)", handle: UInt64($0 + 1)) }
    }

    static func routes(_ instances: [SampleInstance]) -> ServiceRoutes {
        ServiceRoutes(service: service, instances: instances.map(\.routed))
    }
}

extension NIODeadline {
    /// So long after a start that all tests share.
    static func at(_ amount: TimeAmount) -> NIODeadline {
        .uptimeNanoseconds(1_000_000_000_000) + amount
    }
}

extension Upstream {
    /// That knows these instances from second 0 on.
    convenience init(_ instances: [SampleInstance], zone: String = "", limits: UpstreamLimits = .init()) {
        self.init(service: SampleInstance.service, zone: zone, limits: limits)
        update(SampleInstance.routes(instances), now: .at(.zero))
    }

    /// A whole try of one instance.
    func serve(
        _ key: InstanceKey,
        _ outcome: TryOutcome,
        in latency: TimeAmount = .milliseconds(10),
        at now: NIODeadline
    ) {
        began(key, now: now)
        ended(key, outcome, latency: latency, perTryTimeout: .milliseconds(480), now: now)
    }

    /// A whole try, so many times.
    func serve(_ key: InstanceKey, _ outcome: TryOutcome, times: Int, at now: NIODeadline) {
        for _ in 0..<times { serve(key, outcome, at: now) }
    }

    /// How often each instance is picked.
    func picks(
        _ count: Int,
        excluding tried: [InstanceKey] = [],
        at now: NIODeadline,
        using generator: inout SeededGenerator
    ) -> [String: Int] {
        var picked: [String: Int] = [:]
        for _ in 0..<count {
            if case .instance(let instance, _) = pick(excluding: tried, now: now, using: &generator) {
                picked[instance.key.id.description, default: 0] += 1
            }
        }
        return picked
    }

    func tier(of key: InstanceKey, at now: NIODeadline) -> InstanceTier? {
        snapshot(now: now).instances.first { $0.routed.key == key }?.tier
    }
}

extension TryOutcome {
    static let ok = TryOutcome.answered(status: 200, grpcStatus: nil)
    static let status503 = TryOutcome.answered(status: 503, grpcStatus: nil)
    static let status500 = TryOutcome.answered(status: 500, grpcStatus: nil)
}

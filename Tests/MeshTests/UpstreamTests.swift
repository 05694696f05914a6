import NIOCore
import RegistryModel
import TestSupport
import Testing

@testable import Mesh

@Suite("An upstream")
struct UpstreamTests {
    @Test("is unknown until the registry knows it, then empty, then has instances")
    func unknown() {
        var generator = SeededGenerator(usual: 1)
        let upstream = Upstream(service: SampleInstance.service, zone: "")
        func pick() -> String { upstream.pick(excluding: [], now: .at(.zero), using: &generator).name }
        #expect(pick() == "unknown" && upstream.routes == nil)
        upstream.update(ServiceRoutes(service: upstream.service, instances: [], isKnown: false), now: .at(.zero))
        #expect(pick() == "unknown" && upstream.routes != nil && !upstream.isKnown)
        upstream.update(SampleInstance.routes([]), now: .at(.zero))
        #expect(pick() == "noInstances: billing is known, but has no instances")
        upstream.update(SampleInstance.routes(SampleInstance.some(1)), now: .at(.zero))
        #expect(pick() == "b-1")
        upstream.update(nil, now: .at(.zero))
        #expect(pick() == "unknown")
    }

    @Test("that nobody serves says why")
    func whyNone() {
        var generator = SeededGenerator(usual: 1)
        let upstream = Upstream([
            SampleInstance(id: "a", health: .draining), SampleInstance(id: "b", health: .starting),
            SampleInstance(id: "c", health: .starting), SampleInstance(id: "d", weight: 0),
        ])
        #expect(
            upstream.pick(excluding: [], now: .at(.zero), using: &generator).name
                == "noInstances: none of the 4 instances of billing takes calls: 1 draining, 1 of weight 0, 2 starting"
        )
    }

    @Test("turns calls away at its bounds")
    func bounds() {
        var generator = SeededGenerator(usual: 1)
        let upstream = Upstream(SampleInstance.some(2), limits: UpstreamLimits(inFlight: 3, waiting: 2))
        let key = SampleInstance.some(1)[0].key
        for _ in 0..<3 { upstream.began(key, now: .at(.zero)) }
        #expect(upstream.pick(excluding: [], now: .at(.zero), using: &generator).name.hasPrefix("overloaded"))
        upstream.ended(key, .abandoned, latency: .zero, perTryTimeout: .seconds(1), now: .at(.zero))
        #expect(!upstream.pick(excluding: [], now: .at(.zero), using: &generator).name.hasPrefix("overloaded"))

        #expect(upstream.startWaiting() && upstream.startWaiting() && !upstream.startWaiting())
        upstream.stopWaiting()
        #expect(upstream.startWaiting())
    }

    @Test("keeps its judgement of an instance as long as the handle stays")
    func incarnations() {
        let upstream = Upstream(SampleInstance.some(3))
        let key = SampleInstance.some(1)[0].key
        upstream.serve(key, .reset, times: 5, at: .at(.zero))
        #expect(upstream.tier(of: key, at: .at(.zero)) == .ejected)
        upstream.update(SampleInstance.routes(SampleInstance.some(3)), now: .at(.seconds(1)))
        #expect(upstream.tier(of: key, at: .at(.seconds(1))) == .ejected)
        var instances = SampleInstance.some(3)
        instances[0].handle = 77
        upstream.update(SampleInstance.routes(instances), now: .at(.seconds(2)))
        #expect(upstream.tier(of: key, at: .at(.seconds(2))) == .preferred)
    }

    @Test("does not hold against an instance what its former incarnation does, and counts its calls still")
    func formerIncarnation() {
        let upstream = Upstream(SampleInstance.some(3))
        let key = SampleInstance.some(1)[0].key
        for _ in 0..<6 { upstream.began(key, now: .at(.zero)) }
        var instances = SampleInstance.some(3)
        instances[0].handle = 77
        upstream.update(SampleInstance.routes(instances), now: .at(.seconds(1)))
        for _ in 0..<6 {
            upstream.ended(
                key,
                .reset,
                latency: .zero,
                perTryTimeout: .seconds(1),
                handle: InstanceHandle(1),
                now: .at(.seconds(2))
            )
        }
        let snapshot = upstream.snapshot(now: .at(.seconds(2)))
        #expect(snapshot.inFlight == 0 && snapshot.instances[0].inFlight == 0)
        #expect(snapshot.instances[0].failuresInARow == 0 && snapshot.instances[0].tier == .preferred)
    }

    @Test("counts calls to instances that have gone, and those that come back")
    func departed() {
        let upstream = Upstream(SampleInstance.some(2))
        let key = SampleInstance.some(1)[0].key
        for _ in 0..<3 { upstream.began(key, now: .at(.zero)) }
        upstream.update(nil, now: .at(.zero))
        upstream.ended(key, .ok, latency: .zero, perTryTimeout: .seconds(1), now: .at(.zero))
        #expect(upstream.inFlight == 2)
        upstream.update(SampleInstance.routes(SampleInstance.some(2)), now: .at(.zero))
        #expect(upstream.snapshot(now: .at(.zero)).instances[0].inFlight == 2)
        for _ in 0..<9 { upstream.ended(key, .ok, latency: .zero, perTryTimeout: .seconds(1), now: .at(.zero)) }
        #expect(upstream.inFlight == 0 && upstream.snapshot(now: .at(.zero)).instances[0].inFlight == 0)
    }

    @Test("ejects at most half of its instances, and never the last")
    func mostlyThere() {
        for count in 1...9 {
            let instances = SampleInstance.some(count)
            let upstream = Upstream(instances)
            for instance in instances { upstream.serve(instance.key, .status503, times: 7, at: .at(.zero)) }
            let ejected = upstream.snapshot(now: .at(.zero)).instances.count { $0.ejectedFor != nil }
            #expect(ejected == count / 2, "of \(count)")
        }
        // The other one is not offered: this one is the last.
        let upstream = Upstream([SampleInstance(id: "a"), SampleInstance(id: "b", health: .unhealthy)])
        upstream.serve(SampleInstance(id: "a").key, .status503, times: 9, at: .at(.zero))
        #expect(upstream.snapshot(now: .at(.zero)).instances[0].ejectedFor == nil)
    }

    @Test("takes ejected ones back when too few are left, and when their time is over")
    func takenBack() {
        let instances = SampleInstance.some(4)
        let upstream = Upstream(instances)
        upstream.serve(instances[0].key, .status503, times: 5, at: .at(.zero))
        upstream.serve(instances[1].key, .status503, times: 5, at: .at(.seconds(1)))
        upstream.update(SampleInstance.routes(Array(instances.prefix(3))), now: .at(.seconds(2)))
        #expect(upstream.tier(of: instances[0].key, at: .at(.seconds(2))) == .preferred)
        #expect(upstream.tier(of: instances[1].key, at: .at(.seconds(2))) == .ejected)

        var generator = SeededGenerator(usual: 2)
        #expect(upstream.picks(200, at: .at(.seconds(30)), using: &generator)["b-2"] == nil)
        #expect(upstream.picks(200, at: .at(.seconds(31)), using: &generator)["b-2"] ?? 0 > 30)
    }

    @Test(
        "ejects for gateway failures, never for the application's own",
        arguments: [
            (TryOutcome.connectFailed, true), (.tlsFailed, true), (.reset, true), (.timedOut, true), (.refused, true),
            (.answered(status: 502, grpcStatus: nil), true), (.answered(status: 504, grpcStatus: nil), true),
            (.answered(status: 200, grpcStatus: 14), true), (.answered(status: 200, grpcStatus: 13), false),
            (.status500, false), (.answered(status: 429, grpcStatus: nil), false), (.ok, false), (.abandoned, false),
        ]
    )
    func whatEjects(outcome: TryOutcome, ejects: Bool) {
        let upstream = Upstream(SampleInstance.some(2))
        upstream.serve(SampleInstance.some(1)[0].key, outcome, times: 20, at: .at(.zero))
        #expect((upstream.snapshot(now: .at(.zero)).instances[0].ejectedFor != nil) == ejects)
    }

    @Test("opens its breaker when nobody answers, and closes it when a new instance comes")
    func breaker() {
        var generator = SeededGenerator(usual: 3)
        let instances = SampleInstance.some(2)
        let upstream = Upstream(instances)
        upstream.serve(instances[0].key, .connectFailed, times: 4, at: .at(.zero))
        upstream.serve(instances[1].key, .timedOut, times: 2, at: .at(.zero))
        #expect(
            upstream.pick(excluding: [], now: .at(.zero), using: &generator).name
                == "breakerOpen: the last tries of all 2 instances of billing failed to connect or timed out"
        )
        #expect(upstream.snapshot(now: .at(.seconds(3))).breakerOpenFor == .seconds(3))
        upstream.update(SampleInstance.routes(SampleInstance.some(3)), now: .at(.milliseconds(10)))
        #expect(upstream.picks(50, at: .at(.milliseconds(10)), using: &generator)["b-3"] != nil)
    }

    @Test("an answer of any kind closes the breaker")
    func breakerCloses() {
        var generator = SeededGenerator(usual: 4)
        let key = SampleInstance.some(1)[0].key
        let upstream = Upstream(SampleInstance.some(1))
        upstream.serve(key, .timedOut, times: 5, at: .at(.zero))
        #expect(upstream.pick(excluding: [], now: .at(.zero), using: &generator).name.hasPrefix("breakerOpen"))
        #expect(upstream.pick(excluding: [], now: .at(.seconds(1)), using: &generator).name == "b-1")
        #expect(upstream.pick(excluding: [], now: .at(.seconds(1)), using: &generator).name.hasPrefix("breakerOpen"))
        upstream.serve(key, .status500, at: .at(.seconds(1)))
        #expect(upstream.pick(excluding: [], now: .at(.seconds(1)), using: &generator).name == "b-1")
    }

    @Test("an external service is routed like the others")
    func external() {
        var generator = SeededGenerator(usual: 5)
        let upstream = Upstream([SampleInstance(externalURL: "https://legacy.agency.gov")])
        guard case .instance(let picked, _) = upstream.pick(excluding: [], now: .at(.zero), using: &generator) else {
            Issue.record("nothing was picked")
            return
        }
        #expect(picked.externalURL == "https://legacy.agency.gov")
    }
}

extension Selection {
    /// The instance's id, or the case and its words.
    var name: String {
        switch self {
        case .instance(let instance, _): instance.key.id.description
        case .unknown: "unknown"
        case .noInstances(let why): "noInstances: \(why)"
        case .breakerOpen(let why, _): "breakerOpen: \(why)"
        case .overloaded(let why): "overloaded: \(why)"
        }
    }
}

import NIOCore
import RegistryModel
import TestSupport
import Testing

@testable import Mesh

@Suite("Balancing")
struct BalancingTests {
    @Test("equal instances get equal shares")
    func equal() {
        var generator = SeededGenerator(usual: 11)
        let picked = Upstream(SampleInstance.some(5)).picks(10_000, at: .at(.zero), using: &generator)
        #expect(picked.count == 5)
        for (id, count) in picked { #expect((1_700...2_300).contains(count), "\(id)") }
    }

    @Test("shares are as weights, and weight 0 gets nothing")
    func weights() {
        var generator = SeededGenerator(usual: 12)
        let upstream = Upstream([
            SampleInstance(id: "a", weight: 300), SampleInstance(id: "b", weight: 100),
            SampleInstance(id: "c", weight: 0),
        ])
        let picked = upstream.picks(10_000, at: .at(.zero), using: &generator)
        // Of equal cost: a at 3/4, b at 1/4, but for pairs of both, which the first drawn wins.
        #expect((7_200...7_800).contains(picked["a"] ?? 0))
        #expect(picked["c"] == nil)
    }

    @Test("calls in flight count by weight")
    func weightedInFlight() {
        var generator = SeededGenerator(usual: 13)
        let instances = [SampleInstance(id: "a", weight: 300), SampleInstance(id: "b", weight: 100)]
        let upstream = Upstream(instances)
        for instance in instances { upstream.serve(instance.key, .ok, at: .at(.zero)) }
        var held: [String: Int] = [:]
        for _ in 0..<400 {
            guard case .instance(let picked, _) = upstream.pick(excluding: [], now: .at(.zero), using: &generator)
            else { continue }
            upstream.began(picked.key, now: .at(.zero))
            held[picked.key.id.description, default: 0] += 1
        }
        #expect((290...310).contains(held["a"] ?? 0), "\(held)")
    }

    @Test("the best tier that there is gets all")
    func tiers() {
        var generator = SeededGenerator(usual: 14)
        var instances = [
            SampleInstance(id: "draining", health: .draining),
            SampleInstance(id: "starting", health: .starting),
            SampleInstance(id: "lapsed", health: .unhealthy, cause: .heartbeatMissed),
            SampleInstance(id: "refusing"),
            SampleInstance(id: "unhealthy", health: .unhealthy),
            SampleInstance(id: "ejected"),
            SampleInstance(id: "degraded", health: .degraded),
            SampleInstance(id: "healthy"),
        ]
        let upstream = Upstream(instances)
        upstream.serve(SampleInstance(id: "ejected").key, .status503, times: 5, at: .at(.zero))
        upstream.serve(SampleInstance(id: "refusing").key, .connectFailed, at: .at(.zero))
        for expected in [["healthy"], ["degraded"], ["ejected"], ["unhealthy"], ["lapsed"], ["refusing"], []] {
            if expected == ["ejected"] {
                // The last that is offered does not stay ejected.
                #expect(upstream.tier(of: SampleInstance(id: "ejected").key, at: .at(.zero)) == .ejected)
                upstream.update(SampleInstance.routes(instances + [SampleInstance(id: "healthy")]), now: .at(.zero))
                let tried = [SampleInstance(id: "healthy").key]
                #expect(
                    upstream.picks(100, excluding: tried, at: .at(.zero), using: &generator).keys.sorted() == expected
                )
                instances.removeAll { $0.id == "ejected" }
                upstream.update(SampleInstance.routes(instances), now: .at(.zero))
                continue
            }
            #expect(upstream.picks(100, at: .at(.zero), using: &generator).keys.sorted() == expected)
            instances.removeAll { expected.contains($0.id) }
            upstream.update(SampleInstance.routes(instances), now: .at(.zero))
        }
    }

    @Test("a refusing instance comes last for a second")
    func refusing() {
        var generator = SeededGenerator(usual: 15)
        let upstream = Upstream(SampleInstance.some(2))
        upstream.serve(SampleInstance.some(1)[0].key, .refused, at: .at(.zero))
        #expect(upstream.picks(50, at: .at(.milliseconds(999)), using: &generator) == ["b-2": 50])
        #expect(upstream.candidates.candidates.leftOut.map(\.reason) == ["refusing: refused"])
        upstream.serve(SampleInstance.some(2)[1].key, .timedOut, at: .at(.seconds(1)))
        #expect(upstream.picks(50, at: .at(.seconds(1)), using: &generator)["b-1"] != nil)
        #expect(upstream.candidates.candidates.leftOut.isEmpty)
    }

    @Test("panic merges the tiers of ten or more instances with under half usable, but not the last resort")
    func panic() {
        var generator = SeededGenerator(usual: 16)
        func fleet(_ healthy: Int, of count: Int) -> [SampleInstance] {
            (0..<count).map {
                SampleInstance(id: "i-\($0)", handle: UInt64($0 + 1), health: $0 < healthy ? .healthy : .unhealthy)
            }
        }
        #expect(Upstream(fleet(4, of: 10)).picks(2_000, at: .at(.zero), using: &generator).count == 10)
        #expect(Upstream(fleet(5, of: 10)).picks(2_000, at: .at(.zero), using: &generator).count == 5)
        #expect(Upstream(fleet(1, of: 9)).picks(2_000, at: .at(.zero), using: &generator).count == 1)
        let upstream = Upstream(fleet(4, of: 10))
        upstream.serve(SampleInstance(id: "i-9").key, .connectFailed, at: .at(.zero))
        #expect(upstream.snapshot(now: .at(.zero)).isPanic)
        #expect(upstream.candidates.everywhere.indices == Array(0..<9))
        #expect(upstream.picks(2_000, at: .at(.zero), using: &generator).count == 9)
    }

    @Test("calls stay in their zone while it has enough")
    func zones() {
        var generator = SeededGenerator(usual: 17)
        func fleet(_ sizes: [String: Int]) -> [SampleInstance] {
            sizes.flatMap { zone, count in (0..<count).map { SampleInstance(id: "\(zone)-\($0)", zone: zone) } }
        }
        func zonesPicked(_ upstream: Upstream) -> Set<Character> {
            Set(upstream.picks(500, at: .at(.zero), using: &generator).keys.compactMap(\.first))
        }
        #expect(zonesPicked(Upstream(fleet(["a": 3, "b": 3]), zone: "a")) == ["a"])
        #expect(zonesPicked(Upstream(fleet(["a": 3, "b": 3]), zone: "")) == ["a", "b"])
        #expect(zonesPicked(Upstream(fleet(["a": 3, "b": 3]), zone: "c")) == ["a", "b"])
        // One alone leaves no choice; a small zone would drown under its share of the callers.
        #expect(zonesPicked(Upstream(fleet(["a": 1, "b": 3]), zone: "a")) == ["a", "b"])
        #expect(zonesPicked(Upstream(fleet(["a": 2, "b": 18]), zone: "a")) == ["a", "b"])
        // Most of the zone's own are out.
        let upstream = Upstream(fleet(["a": 5, "b": 5]), zone: "a")
        for id in 0..<3 { upstream.serve(SampleInstance(id: "a-\(id)").key, .connectFailed, at: .at(.zero)) }
        #expect(zonesPicked(upstream) == ["a", "b"])
    }

    @Test("a further try goes to another instance, of the own zone first, and to a tried one before the last resort")
    func another() {
        var generator = SeededGenerator(usual: 18)
        let instances = ["a", "b"].flatMap { zone in
            (0..<3).map { SampleInstance(id: "\(zone)-\($0)", zone: zone) }
        }
        var upstream = Upstream(instances, zone: "a")
        let own = instances.filter { $0.zone == "a" }.map(\.key)
        #expect(
            upstream.picks(300, excluding: [own[0]], at: .at(.zero), using: &generator).keys.sorted() == ["a-1", "a-2"]
        )
        #expect(
            upstream.picks(300, excluding: own, at: .at(.zero), using: &generator).keys.sorted() == [
                "b-0", "b-1", "b-2",
            ]
        )
        #expect(upstream.picks(300, excluding: instances.map(\.key), at: .at(.zero), using: &generator).count == 3)

        upstream = Upstream([
            SampleInstance(id: "a"), SampleInstance(id: "b"), SampleInstance(id: "c", health: .degraded),
        ])
        upstream.serve(SampleInstance(id: "b").key, .connectFailed, at: .at(.zero))
        #expect(
            upstream.picks(50, excluding: [SampleInstance(id: "a").key], at: .at(.zero), using: &generator) == ["c": 50]
        )
        let both = [SampleInstance(id: "a").key, SampleInstance(id: "c").key]
        #expect(upstream.picks(50, excluding: both, at: .at(.zero), using: &generator) == ["a": 50])
    }

    @Test("a new instance starts at the median of the others")
    func newcomer() {
        let instances = SampleInstance.some(3)
        let upstream = Upstream(instances)
        for (instance, latency) in zip(instances, [5, 20, 900] as [Int64]) {
            upstream.serve(instance.key, .ok, in: .milliseconds(latency), at: .at(.zero))
        }
        upstream.update(SampleInstance.routes(SampleInstance.some(4)), now: .at(.zero))
        #expect(upstream.instances[3].latency.estimate(now: .at(.zero)) == 20e6)
        #expect(upstream.snapshot(now: .at(.zero)).instances[3].latency == nil)
    }

    @Test("a failed try counts as all the time it might have taken, the application's own failure as a slow answer")
    func failing() {
        let instances = SampleInstance.some(3)
        let upstream = Upstream(instances)
        upstream.serve(instances[0].key, .ok, in: .milliseconds(50), at: .at(.zero))
        upstream.serve(instances[1].key, .status500, in: .milliseconds(1), at: .at(.zero))
        #expect(upstream.instances[1].latency.estimate(now: .at(.zero)) == 50e6)
        upstream.serve(instances[2].key, .reset, in: .milliseconds(1), at: .at(.zero))
        #expect(upstream.instances[2].latency.estimate(now: .at(.zero)) == 480e6)
    }

    @Test("who is left out is told, to a bound")
    func leftOut() {
        var generator = SeededGenerator(usual: 19)
        let instances = SampleInstance.some(40)
        let upstream = Upstream(instances)
        for instance in instances.prefix(15) { upstream.serve(instance.key, .status503, times: 5, at: .at(.zero)) }
        guard case .instance(_, let candidates) = upstream.pick(excluding: [], now: .at(.zero), using: &generator)
        else {
            Issue.record("nothing was picked")
            return
        }
        #expect(candidates.usable == 25 && candidates.total == 40)
        #expect(candidates.leftOut.count == Candidates.limit)
        #expect(candidates.leftOut.first?.0 == instances[0].key)
        #expect(candidates.leftOut.first?.reason == "ejected: 5 failures in a row, the last: 503")
    }
}

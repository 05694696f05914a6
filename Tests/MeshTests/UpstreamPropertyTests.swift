import NIOCore
import RegistryModel
import TestSupport
import Testing

@testable import Mesh

/// An upstream under random events, beside a plain count of what is in flight.
private struct RandomLife {
    var generator: SeededGenerator
    var now = NIODeadline.at(.zero)
    var listed: [SampleInstance] = []
    var inFlight: [RoutedInstance] = []
    let upstream = Upstream(service: SampleInstance.service, zone: "a")

    static let outcomes: [TryOutcome] = [
        .ok, .ok, .status500, .status503, .connectFailed, .tlsFailed, .reset, .timedOut, .refused, .abandoned,
    ]

    mutating func step() {
        now = now + .milliseconds(Int64(generator.magnitude() % 20_000))
        switch generator.below(12) {
        case 0: change()
        case 1: upstream.update(generator.oneIn(4) ? nil : SampleInstance.routes(listed), now: now)
        case 2...6: beginOne()
        default: endOne()
        }
    }

    private mutating func change() {
        let id = "i-\(generator.below(14))"
        listed.removeAll { $0.id == id }
        if !generator.oneIn(3) {
            listed.append(
                SampleInstance(
                    id: id,
                    handle: UInt64(generator.below(3)),
                    health: generator.pick([.healthy, .healthy, .healthy] + Health.allCases),
                    cause: generator.pick([.reported, .heartbeatMissed]),
                    weight: generator.pick([0, 1, 100, 100, 100, 10_000]),
                    zone: generator.pick(["a", "b", ""])
                )
            )
        }
        upstream.update(SampleInstance.routes(listed), now: now)
    }

    private mutating func beginOne() {
        let tried = listed.filter { _ in generator.oneIn(4) }.map(\.key)
        switch upstream.pick(excluding: generator.oneIn(2) ? [] : tried, now: now, using: &generator) {
        case .instance(let picked, let candidates):
            #expect(picked.isPickable, "\(picked.health) of weight \(picked.weight) was picked")
            #expect(listed.contains { $0.routed == picked })
            #expect(candidates.usable <= candidates.total && candidates.leftOut.count <= Candidates.limit)
            if picked.isLapsed {
                let better = upstream.instances.contains { $0.tier < .lastResort }
                #expect(!better, "a lapsed one was picked beside better ones")
            }
            upstream.began(picked.key, now: now)
            inFlight.append(picked)
        case .noInstances: #expect(!listed.contains { $0.routed.isPickable })
        case .unknown: #expect(upstream.routes == nil)
        case .breakerOpen:
            #expect(upstream.instances.allSatisfy { $0.tier == .never || $0.isSilent })
        case .overloaded: Issue.record("\(inFlight.count) are not too many")
        }
    }

    private mutating func endOne() {
        guard !inFlight.isEmpty else { return }
        let ended = inFlight.remove(at: generator.below(inFlight.count))
        upstream.ended(
            ended.key,
            generator.pick(Self.outcomes),
            latency: .microseconds(Int64(generator.below(2_000_000))),
            perTryTimeout: .seconds(1),
            handle: ended.handle,
            now: now
        )
    }

    func check() {
        let snapshot = upstream.snapshot(now: now)
        #expect(snapshot.inFlight == inFlight.count)
        for instance in snapshot.instances {
            #expect(instance.inFlight == inFlight.count { $0.key == instance.routed.key })
        }
        let pickable = snapshot.instances.filter(\.routed.isPickable)
        let ejected = pickable.filter { $0.ejectedFor != nil }
        #expect(ejected.count * 2 <= pickable.count, "\(ejected.count) of \(pickable.count) are ejected")
        let offered = pickable.filter(\.routed.health.isRoutable)
        #expect(offered.isEmpty || offered.contains { $0.ejectedFor == nil }, "the last one is ejected")
        #expect(snapshot.candidates.usable == snapshot.instances.count { $0.tier.isUsable })
        #expect((0...100).contains(snapshot.retryBudget))
    }
}

@Suite("An upstream, whatever happens")
struct UpstreamPropertyTests {
    @Test("never picks who may not be picked, nor ejects too many, nor loses count", arguments: 0..<24)
    func holds(run: Int) {
        var life = RandomLife(generator: SeededGenerator(usual: UInt64(run) &* 7_919 &+ 3))
        for _ in 0..<400 {
            life.step()
            life.check()
        }
    }

    @Test("drawing two of a set gives members of it, and two different ones of equal weights", arguments: 1..<12)
    func drawing(count: Int) {
        var generator = SeededGenerator(usual: UInt64(count))
        var even = WeightedIndices()
        var uneven = WeightedIndices()
        for index in 0..<count {
            even.append(index * 3, weight: 7)
            uneven.append(index * 3, weight: UInt32(1 + generator.below(10_000)))
        }
        var drawn: Set<Int> = []
        for _ in 0..<500 {
            let (first, second) = even.drawTwo(using: &generator)
            #expect(count == 1 || first != second)
            drawn.formUnion([first, second])
            let (third, fourth) = uneven.drawTwo(using: &generator)
            #expect(uneven.indices.contains(third) && uneven.indices.contains(fourth))
        }
        #expect(drawn.sorted() == even.indices)
    }
}

import NIOCore
import RegistryModel
import Testing

@testable import Mesh

@Suite("Names that nobody calls any more")
struct NameUsageTests {
    private let billing: ServiceName
    private let printing: ServiceName

    init() throws {
        billing = try ServiceName("billing")
        printing = try ServiceName("printing")
    }

    private func metrics(_ calls: [(ServiceName, at: Int64)]) -> MeshMetrics {
        var metrics = MeshMetrics()
        for (name, seconds) in calls {
            metrics.record(
                service: name,
                status: 200,
                error: nil,
                took: .milliseconds(5),
                tries: 2,
                now: .uptimeNanoseconds(UInt64(seconds) * 1_000_000_000)
            )
        }
        return metrics
    }

    @Test("a name goes once no loop has called it of late, also where some loops never did")
    func loops() {
        var all = NameUsage()
        var first = NameUsage()
        first.note(billing, isInUse: false)
        first.note(printing, isInUse: false)
        var second = NameUsage()
        second.note(billing, isInUse: true)
        all.add(first)
        all.add(second)
        all.add(NameUsage())
        #expect(all.unused == [printing])
        #expect(all.used == [billing])
    }

    @Test("what is dropped is gone whole, and what is not keeps its counts")
    func drop() {
        var metrics = metrics([(billing, at: 1), (printing, at: 2), (billing, at: 9)])
        #expect(metrics.outbound[billing]?.lastEnd == .uptimeNanoseconds(9_000_000_000))
        metrics.drop([printing])
        #expect(metrics.outbound[printing] == nil)
        #expect(metrics.outbound[billing]?.count == 2 && metrics.outbound[billing]?.retries == 2)
        #expect(metrics.dropped == 1)
    }

    @Test("dropping makes room for names that are called now")
    func room() throws {
        let names = try (0..<MeshMetrics.mostServices).map { try ServiceName("service-\($0)") }
        var metrics = metrics(names.map { ($0, at: 1) })
        let late = try ServiceName("late")
        metrics.record(service: late, status: 200, error: nil, took: .zero, tries: 1, now: .uptimeNanoseconds(2))
        #expect(metrics.outbound[late] == nil && metrics.others.count == 1)
        metrics.drop([names[7]])
        metrics.record(service: late, status: 200, error: nil, took: .zero, tries: 1, now: .uptimeNanoseconds(3))
        #expect(metrics.outbound[late]?.count == 1 && metrics.others.count == 1)
    }

    @Test("an event loop forgets a name that was not called for so long, with what it counted")
    func loop() async throws {
        try await PlaneFixture.with(idleTimeout: .seconds(5), billing: 9) { fixture in
            let name = billing
            let (before, soon, late, after) = try await fixture.loops.map { state in
                let data = state.data
                let start = NIODeadline.now()
                _ = data.entry(of: name, now: start)
                data.metrics.record(service: name, status: 200, error: nil, took: .zero, tries: 1, now: start)
                // An entry that a call has outlived: only its count is left.
                let usage = { (seconds: Int64) in data.usage(within: .seconds(60), now: start + .seconds(seconds)) }
                let (before, soon, late) = (usage(0).unused, usage(59).unused, usage(60).unused)
                data.forget(late.sorted())
                return (before, soon, late, data.metrics.outbound[name] == nil && usage(60).unused.isEmpty)
            }[0]
            #expect(before.isEmpty && soon.isEmpty && late == [name] && after)
        }
    }
}

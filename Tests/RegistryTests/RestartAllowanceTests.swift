import RegistryModel
import TestSupport
import Testing

@testable import Registry

@Suite("Silence across restarts")
struct RestartAllowanceTests {
    private static let ttl = Duration.seconds(30)

    private func allowance(_ runs: (Int64, Int64)...) -> RestartAllowance {
        RestartAllowance(runs: runs.map { .init(start: .sample($0.0), end: .sample($0.1)) })
    }

    private func elapsed(_ allowance: RestartAllowance, _ lastSeen: Int64) -> Duration {
        allowance.elapsed(since: .sample(lastSeen), ttl: Self.ttl)
    }

    @Test("time while the registry was down does not count, and one ttl is given")
    func once() {
        #expect(elapsed(allowance((0, 100)), 90) == .zero)
        #expect(elapsed(allowance((0, 100)), 50) == .seconds(20))
        #expect(elapsed(allowance((0, 100), (5_000, 5_010)), 90) == .seconds(10))
        #expect(elapsed(allowance(), 90) == .zero)
    }

    @Test("the ttl is given once: a crash loop can't keep the dead alive")
    func crashLoop() {
        var runs: [RestartAllowance.Run] = [.init(start: .sample(0), end: .sample(100))]
        var last = Duration.zero
        for crash in Int64(1)...8 {
            runs.append(.init(start: .sample(100 + crash * 1_000), end: .sample(110 + crash * 1_000)))
            let now = RestartAllowance(runs: runs).elapsed(since: .sample(95), ttl: Self.ttl)
            #expect(now == last + .seconds(10))
            last = now
        }
        #expect(last >= Self.ttl)
    }

    @Test("whoever beats again is given it again")
    func beatsAgain() {
        #expect(elapsed(allowance((0, 100), (200, 300), (400, 410)), 290) == .seconds(10))
    }

    @Test("lives of the daemon are told apart by their starts")
    func collecting() {
        var collector = RunCollector()
        collector.note(.sample(5), isStart: false)
        collector.note(.sample(9), isStart: false)
        collector.note(.sample(20), isStart: true)
        collector.note(.sample(21), isStart: false)
        #expect(collector.runs == allowance((5, 9), (20, 21)).runs)
        #expect(allowance((5, 9), (20, 21)).uptime == .seconds(5))
    }

    @Test("the last so much uptime began inside one run, or at the first")
    func startOfUptime() {
        let runs = allowance((0, 100), (200, 210))
        #expect(runs.start(ofLast: .seconds(5)) == .sample(205))
        #expect(runs.start(ofLast: .seconds(30)) == .sample(80))
        #expect(runs.start(ofLast: .seconds(500)) == .sample(0))
        #expect(allowance().start(ofLast: .seconds(1)) == nil)
    }
}

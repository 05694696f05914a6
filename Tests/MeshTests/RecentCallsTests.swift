import NIOCore
import Testing

@testable import Mesh

@Suite("Calls of the last seconds")
struct RecentCallsTests {
    private static func at(_ seconds: Double) -> NIODeadline {
        .uptimeNanoseconds(1_000_000_000_000 + UInt64(seconds * 1e9))
    }

    @Test("what is older than ten seconds counts no more, second by second")
    func window() {
        var recent = RecentCalls()
        for second in 0..<20 {
            recent.record(
                isSuccess: second != 15,
                isRetried: second == 16,
                took: .milliseconds(1),
                now: Self.at(Double(second))
            )
        }
        let now = recent.summary(now: Self.at(19.9))
        #expect((now.requests, now.succeeded, now.retried) == (10, 9, 1))
        #expect(recent.summary(now: Self.at(25)).requests == 4)
        #expect(recent.summary(now: Self.at(40)).requests == 0)
        #expect(recent.summary(now: Self.at(40)).quantile(0.5) == nil)
    }

    @Test("quantiles are off by a sixteenth at most, over all that they can be asked of")
    func quantiles() throws {
        for microseconds: Int64 in [8, 100, 999, 9_800, 790_200, 15_000_000, 100_000_000] {
            var recent = RecentCalls()
            recent.record(isSuccess: true, isRetried: false, took: .microseconds(microseconds), now: Self.at(0))
            let told = try #require(recent.summary(now: Self.at(0)).quantile(0.99))
            #expect(abs(told - microseconds) <= microseconds / 16 + 1, "\(told) for \(microseconds)")
        }
        #expect(RecentCalls.bucket(of: 0) == 0)
        #expect(RecentCalls.bucket(of: .max) == RecentCalls.bucket(of: 1 << 40))
    }

    @Test("half of the calls lie below the median, and two loops add up")
    func twoLoops() throws {
        var first = RecentCalls()
        var second = RecentCalls()
        for _ in 0..<99 { first.record(isSuccess: true, isRetried: false, took: .milliseconds(1), now: Self.at(0)) }
        for _ in 0..<100 { second.record(isSuccess: true, isRetried: false, took: .milliseconds(100), now: Self.at(0)) }
        var total = first.summary(now: Self.at(0))
        #expect(try #require(total.quantile(0.5)) < 1_100)
        total.add(second.summary(now: Self.at(0)))
        #expect(total.requests == 199)
        #expect(try #require(total.quantile(0.49)) < 1_100)
        #expect(try #require(total.quantile(0.51)) > 90_000)
    }
}

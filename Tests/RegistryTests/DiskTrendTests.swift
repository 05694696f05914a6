import RegistryModel
import Testing

@testable import Registry

@Suite("How long a disk lasts")
struct DiskTrendTests {
    private func hours(_ count: Int64) -> MonotonicTime {
        MonotonicTime(rawValue: 0).advanced(by: .seconds(count * 3_600))
    }

    @Test("what it lost since the oldest look goes on being lost")
    func fills() {
        var trend = DiskTrend()
        trend.add(free: 1_000, at: hours(0))
        trend.add(free: 900, at: hours(1))
        #expect(trend.timeUntilFull(free: 800, now: hours(2)) == .seconds(8 * 3_600))
    }

    @Test("nothing is said of less than an hour, and of a disk that does not fill")
    func unknown() {
        var trend = DiskTrend()
        #expect(trend.timeUntilFull(free: 1, now: hours(9)) == nil)
        trend.add(free: 1_000, at: hours(0))
        #expect(trend.timeUntilFull(free: 1, now: hours(0).advanced(by: .seconds(3_599))) == nil)
        #expect(trend.timeUntilFull(free: 1_000, now: hours(2)) == nil)
        #expect(trend.timeUntilFull(free: 1_001, now: hours(2)) == nil)
    }

    @Test("it is looked at every ten minutes, and what is older than a day is forgotten")
    func window() {
        var trend = DiskTrend()
        var now = hours(0)
        var free: UInt64 = 1_000_000
        for step in 0..<288 {
            #expect(trend.isDue(at: now))
            trend.add(free: free, at: now)
            #expect(!trend.isDue(at: now.advanced(by: .seconds(599))))
            now = now.advanced(by: DiskTrend.step)
            // The first day it lost much, the second little.
            free -= step < 144 ? 1_000 : 1
        }
        let left = trend.timeUntilFull(free: free, now: now)
        #expect(left == .seconds(Int64(free) * 600))
    }
}

import RegistryModel
import TestSupport
import Testing

@testable import Registry

@Suite("The wheel of deadlines")
struct DeadlineWheelTests {
    private func time(_ milliseconds: Int64) -> MonotonicTime {
        MonotonicTime(rawValue: milliseconds * 1_000_000)
    }

    @Test("nothing fires early, and everything within a tick", arguments: [1, 2, 3] as [UInt64])
    func precision(seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        var now: Int64 = 5_000_000
        var wheel = DeadlineWheel<Int64>(now: time(now))
        var waiting: Set<Int64> = []
        for _ in 0..<5_000 {
            if Bool.random(using: &random) {
                let deadline = now + .random(in: 0...100_000, using: &random)
                if waiting.insert(deadline).inserted { wheel.schedule(deadline, at: time(deadline)) }
            }
            now += .random(in: 0...120, using: &random)
            for deadline in wheel.advance(to: time(now)) {
                #expect(deadline <= now, "seed \(seed)")
                waiting.remove(deadline)
            }
            if let late = waiting.min() { #expect(late + 100 > now, "seed \(seed)") }
            #expect(wheel.count == waiting.count)
        }
    }

    @Test("a deadline beyond the wheel's turn fires at its end, for the owner to look again")
    func beyond() {
        var wheel = DeadlineWheel<String>(now: time(0))
        wheel.schedule("far", at: time(1_000_000))
        #expect(wheel.advance(to: time(102_300)) == [])
        #expect(wheel.advance(to: time(102_400)) == ["far"])
        #expect(wheel.count == 0)
    }

    @Test("after a stall of many turns everything fires once")
    func stall() {
        var wheel = DeadlineWheel<Int>(now: time(0))
        for index in 0..<2_000 { wheel.schedule(index, at: time(Int64(index) * 50)) }
        #expect(wheel.advance(to: time(10_000_000)).sorted() == Array(0..<2_000))
        #expect(wheel.advance(to: time(20_000_000)) == [])
        wheel.schedule(7, at: time(0))
        #expect(wheel.advance(to: time(20_000_099)) == [])
        #expect(wheel.advance(to: time(20_000_100)) == [7])
    }
}

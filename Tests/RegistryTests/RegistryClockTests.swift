import RegistryModel
import TestSupport
import Testing

@testable import Registry

@Suite("The registry's clock")
struct RegistryClockTests {
    private let source = FakeClock()

    @Test("event time runs with the monotonic clock")
    func runs() {
        let clock = RegistryClock(source: source.source)
        #expect(clock.now().time == .sample(0))
        source.advance(by: .seconds(5))
        #expect(clock.now() == Now(time: .sample(5), monotonic: source.monotonic))
        #expect(clock.pendingStep() == nil)
    }

    @Test("a small difference is slewed away gently, either way", arguments: [400, -400])
    func slew(milliseconds: Int) {
        let clock = RegistryClock(source: source.source)
        source.setWall(forward: .milliseconds(milliseconds))
        var last = clock.now().time
        for _ in 0..<10_000 {
            source.advance(by: .milliseconds(200))
            let now = clock.now().time
            let pace = now.since(last).nanoseconds
            // At most half a millisecond a second.
            #expect(abs(pace - 200_000_000) <= 100_000)
            last = now
        }
        #expect(abs(source.wall.since(last).nanoseconds) < 1_000)
        #expect(clock.pendingStep() == nil)
    }

    @Test("over a second of difference is a step, taken only when it is on record", arguments: [3_600, -3_600])
    func step(seconds: Int64) throws {
        let clock = RegistryClock(source: source.source)
        source.setWall(forward: .seconds(seconds))
        source.advance(by: .seconds(1))
        #expect(clock.now().time == .sample(1))
        let step = try #require(clock.pendingStep())
        #expect(step == .init(from: .sample(1), to: .sample(1 + seconds)))
        clock.takeStep(to: step.to)
        #expect(clock.now().time == .sample(1 + seconds))
        #expect(clock.pendingStep() == nil)
    }

    @Test("a suspended machine's wall clock jumps; its monotonic clock does not, nor do deadlines")
    func suspended() {
        let clock = RegistryClock(source: source.source)
        let before = clock.now()
        source.setWall(forward: .seconds(8 * 3_600))
        #expect(clock.now() == before)
        #expect(clock.pendingStep() != nil)
    }

    @Test("time never goes back between steps, whatever the wall clock does", arguments: [1, 2, 3] as [UInt64])
    func monotony(seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        let clock = RegistryClock(source: source.source)
        var last = clock.now().time
        for _ in 0..<5_000 {
            source.advance(by: .milliseconds(Int.random(in: 0...300, using: &random)))
            source.setWall(forward: .milliseconds(Int.random(in: -400...400, using: &random)))
            let now = clock.now().time
            #expect(now >= last, "seed \(seed)")
            last = now
        }
    }

    @Test("a start goes on from the last event: it waits out less than a step, and tells of more")
    func floor() throws {
        let waiting = RegistryClock(source: source.source, floor: .sample(0).advanced(by: .milliseconds(800)))
        #expect(waiting.now().time == .sample(0).advanced(by: .milliseconds(800)))
        #expect(waiting.pendingStep() == nil)
        source.advance(by: .seconds(1))
        #expect(waiting.now().time == .sample(1))
        let ahead = RegistryClock(source: source.source, floor: .sample(100))
        #expect(ahead.now().time == .sample(100))
        #expect(ahead.pendingStep() == .init(from: .sample(100), to: .sample(1)))
        let behind = RegistryClock(source: source.source, floor: .sample(-100))
        #expect(behind.now().time == .sample(1))
        #expect(behind.pendingStep() == nil)
    }
}

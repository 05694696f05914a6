import NIOCore
import TestSupport
import Testing

@testable import Mesh

@Suite("A fleet in virtual time")
struct SimulationTests {
    enum Fault: CaseIterable {
        case refusal
        case reset
        case status503
        case blackHole
        case mixed

        func reaction(_ place: Int) -> Simulation.Reaction {
            switch self {
            case .refusal: .refusal
            case .reset: .reset
            case .status503: .status503
            case .blackHole: .blackHole
            case .mixed: [.refusal, .status503, .blackHole][place % 3]
            }
        }
    }

    @Test(
        "three of ten fail: from two seconds on, 99.9 % of calls succeed",
        arguments: Fault.allCases,
        [50, 400] as [Double]
    )
    func threeFail(fault: Fault, rate: Double) {
        let simulation = Simulation(seed: 31) { place, since, generator in
            place < 3 && since >= .seconds(5)
                ? fault.reaction(place) : .ok(about: .milliseconds(10), &generator)
        }
        simulation.run(for: .seconds(25), callsPerSecond: rate)
        #expect(simulation.success(from: .zero, to: .seconds(5)) == 1)
        #expect(simulation.success(from: .seconds(7)) > 0.999, "\(simulation.success(from: .seconds(7)))")
        #expect(simulation.success(from: .seconds(5), to: .seconds(7)) > 0.9)
    }

    @Test(
        "everybody fails thirty in a hundred: tries stay within a fifth more than calls, and one a second",
        arguments: 0..<3
    )
    func allFail(run: Int) {
        let simulation = Simulation(seed: UInt64(41 + run)) { _, _, generator in
            generator.below(100) < 30 ? .status503 : .ok(about: .milliseconds(10), &generator)
        }
        simulation.run(for: .seconds(60), callsPerSecond: 200)
        let calls = Double(simulation.ended.count)
        #expect(Double(simulation.tries.count) <= 1.2 * calls + 60 + RetryBudget.initial)
        // What the budget allows is used, and helps.
        #expect(Double(simulation.tries.count) > 1.15 * calls)
        #expect(simulation.success(from: .zero) > 0.8)
    }

    @Test("a slow instance gets less")
    func slow() {
        let simulation = Simulation(seed: 51) { place, _, generator in
            .ok(about: .milliseconds(place == 4 ? 100 : 10), &generator)
        }
        simulation.run(for: .seconds(40), callsPerSecond: 200)
        let share = simulation.share(of: 4, from: .seconds(2))
        #expect(share < 0.03 && share > 0, "\(share)")
        #expect(simulation.success(from: .zero) == 1)
    }

    @Test("one that fails fast does not win", arguments: [TryOutcome.status503, .status500, .refused, .reset])
    func fastFailing(outcome: TryOutcome) {
        let simulation = Simulation(seed: 61) { place, _, generator in
            place == 4
                ? Simulation.Reaction(outcome: outcome, latency: .microseconds(100))
                : .ok(about: .milliseconds(10), &generator)
        }
        simulation.run(for: .seconds(40), callsPerSecond: 100)
        #expect(simulation.share(of: 4) < (outcome == .status500 ? 0.11 : 0.05), "\(simulation.share(of: 4))")
    }

    @Test("an instance that is well again is used again when its ejection is over")
    func recovery() {
        let simulation = Simulation(seed: 71) { place, since, generator in
            place < 3 && since >= .seconds(5) && since < .seconds(15)
                ? .status503 : .ok(about: .milliseconds(10), &generator)
        }
        simulation.run(for: .seconds(80), callsPerSecond: 200)
        for place in 0..<3 {
            #expect(simulation.share(of: place, from: .seconds(7), to: .seconds(34)) < 0.001)
            // One that failed less than five times was not ejected, but avoided till its failures faded.
            let share = simulation.share(of: place, from: .seconds(60))
            #expect(share > 0.05 && share < 0.2, "\(share)")
        }
        #expect(simulation.success(from: .seconds(7)) == 1)
    }

    @Test("nobody is there: one call a second goes to see, until somebody is")
    func breaker() {
        let simulation = Simulation(seed: 81) { _, since, generator in
            since >= .seconds(5) && since < .seconds(20) ? .refusal : .ok(about: .milliseconds(10), &generator)
        }
        simulation.run(for: .seconds(40), callsPerSecond: 100)
        // The probes of 13 seconds.
        let probes = simulation.tryCount(from: .seconds(6), to: .seconds(19))
        #expect((11...14).contains(probes), "\(probes)")
        #expect(simulation.success(from: .seconds(6), to: .seconds(19)) == 0)
        #expect(
            simulation.success(from: .milliseconds(21_500)) > 0.999,
            "\(simulation.success(from: .milliseconds(21_500)))"
        )
    }

    @Test("the same seed gives the same run")
    func deterministic() {
        func run() -> [Int] {
            let simulation = Simulation(seed: 91) { _, _, generator in
                generator.oneIn(5) ? .reset : .ok(about: .milliseconds(10), &generator)
            }
            simulation.run(for: .seconds(5), callsPerSecond: 100)
            return simulation.tries.map(\.place)
        }
        #expect(run() == run())
    }
}

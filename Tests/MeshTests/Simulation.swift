import NIOCore
import RegistryModel
import TestSupport

@testable import Mesh

/// A caller and a fleet in virtual time: calls come at random, tries take as long and end as an instance's behaviour says,
/// and the bricks decide everything else. The same seed gives the same run.
final class Simulation {
    /// What an instance does with a try that begins at a time.
    struct Reaction {
        var outcome: TryOutcome
        var latency: TimeAmount
        var delivery = Delivery.unknown

        static let refusal = Reaction(outcome: .connectFailed, latency: .microseconds(300), delivery: .no)
        static let reset = Reaction(outcome: .reset, latency: .milliseconds(1))
        static let status503 = Reaction(outcome: .status503, latency: .microseconds(200))
        /// Takes the request and never answers.
        static let blackHole = Reaction(outcome: .timedOut, latency: .hours(1))
    }

    typealias Behaviour = (_ place: Int, _ since: TimeAmount, inout SeededGenerator) -> Reaction

    struct Call {
        var began: NIODeadline
        var tries: [InstanceKey] = []
    }

    private struct Event {
        var time: NIODeadline
        var run: () -> Void
    }

    let upstream: Upstream
    private(set) var now = NIODeadline.at(.zero)
    /// Calls that have ended: when they began, and whether well.
    private(set) var ended: [(began: TimeAmount, succeeded: Bool)] = []
    /// When, and which instance.
    private(set) var tries: [(at: TimeAmount, place: Int)] = []
    private var generator: SeededGenerator
    private let instances: [SampleInstance]
    private let rules: CallRules
    private let behaviour: Behaviour
    /// Ordered, the next one last.
    private var events: [Event] = []

    init(
        instances: Int = 10,
        seed: UInt64,
        rules: CallRules = CallRules(retries: 2, timeout: .milliseconds(800), perTryTimeout: nil),
        behaviour: @escaping Behaviour
    ) {
        self.instances = SampleInstance.some(instances)
        self.rules = rules
        self.behaviour = behaviour
        generator = SeededGenerator(usual: seed)
        upstream = Upstream(self.instances)
    }

    /// Calls that come at random, so many a second on average.
    func run(for length: TimeAmount, callsPerSecond: Double) {
        let end = NIODeadline.at(length)
        scheduleCall(rate: callsPerSecond, until: end)
        while let event = events.popLast() {
            now = event.time
            event.run()
        }
    }

    /// The share of calls that ended well, of those that began in a time.
    func success(from start: TimeAmount, to end: TimeAmount = .hours(1)) -> Double {
        let calls = ended.filter { $0.began >= start && $0.began < end }
        return Double(calls.count { $0.succeeded }) / Double(max(1, calls.count))
    }

    /// The share of tries that an instance got in a time.
    func share(of place: Int, from start: TimeAmount = .zero, to end: TimeAmount = .hours(1)) -> Double {
        let all = tries.filter { $0.at >= start && $0.at < end }
        return Double(all.count { $0.place == place }) / Double(max(1, all.count))
    }

    func tryCount(from start: TimeAmount, to end: TimeAmount) -> Int {
        tries.count { $0.at >= start && $0.at < end }
    }

    private var since: TimeAmount {
        now - .at(.zero)
    }

    private func schedule(after wait: TimeAmount, _ run: @escaping () -> Void) {
        let event = Event(time: now + wait, run: run)
        // Behind all that come later: those at the same time keep their order.
        var low = 0
        var high = events.count
        while low < high {
            let middle = (low + high) / 2
            if events[middle].time > event.time { low = middle + 1 } else { high = middle }
        }
        events.insert(event, at: low)
    }

    private func scheduleCall(rate: Double, until end: NIODeadline) {
        let mean = 1e9 / rate
        let wait = TimeAmount.nanoseconds(Int64(Double.random(in: 0...2 * mean, using: &generator)))
        guard now + wait < end else { return }
        schedule(after: wait) { [self] in
            upstream.firstTry(now: now)
            attempt(Call(began: now))
            scheduleCall(rate: rate, until: end)
        }
    }

    private func attempt(_ call: Call) {
        guard case .instance(let picked, _) = upstream.pick(excluding: call.tries, now: now, using: &generator),
            let place = instances.firstIndex(where: { $0.key == picked.key })
        else { return end(call, succeeded: false) }
        upstream.began(picked.key, now: now)
        tries.append((since, place))
        var call = call
        call.tries.append(picked.key)
        var reaction = behaviour(place, since, &generator)
        let timeout = rules.tryTimeout(
            isRepeatable: true,
            triesDone: call.tries.count - 1,
            remaining: call.began + rules.timeout - now
        )
        if reaction.latency > timeout { reaction = Reaction(outcome: .timedOut, latency: timeout) }
        schedule(after: reaction.latency) { [self] in
            upstream.ended(
                picked.key,
                reaction.outcome,
                latency: reaction.latency,
                perTryTimeout: timeout,
                handle: picked.handle,
                now: now
            )
            conclude(call, reaction)
        }
    }

    private func conclude(_ call: Call, _ reaction: Reaction) {
        if reaction.outcome == .ok { return end(call, succeeded: true) }
        let decision = decide(
            outcome: reaction.outcome,
            delivery: reaction.delivery,
            isRepeatable: true,
            triesDone: call.tries.count,
            rules: rules,
            retryAfter: nil,
            calleeSaysNo: false,
            remaining: call.began + rules.timeout - now,
            upstream: upstream,
            now: now,
            using: &generator
        )
        switch decision {
        case .retry(let wait): schedule(after: wait) { [self] in attempt(call) }
        case .give: end(call, succeeded: false)
        }
    }

    private func end(_ call: Call, succeeded: Bool) {
        ended.append((call.began - .at(.zero), succeeded))
    }
}

extension Simulation.Reaction {
    /// An answer after about so long.
    static func ok(about mean: TimeAmount, _ generator: inout SeededGenerator) -> Simulation.Reaction {
        let latency = Double(mean.nanoseconds) * Double.random(in: 0.6...1.4, using: &generator)
        return Simulation.Reaction(outcome: .ok, latency: .nanoseconds(Int64(latency)))
    }
}

import RegistryModel
import TestSupport
import Testing

@testable import Registry

/// A deadline watch with a clock that stands still, and a writer that carries out what it decides.
private final class Bench {
    static let ttl = Duration.seconds(30)
    let clock = FakeClock()
    let leases: LeaseTable
    let watch: DeadlineWatch
    let notices = Gathered<RegistryNotice>()
    let metrics = RegistryMetrics()
    private let queue = CommandQueue()
    private(set) var states: [InstanceKey: InstanceState] = [:]
    /// What happened, in order: `i3 unhealthy heartbeat-missed`, `i3 gone`.
    private(set) var history: [String] = []

    init(_ guardOptions: MassExpiryGuard.Options = .init()) {
        let registryClock = RegistryClock(source: clock.source)
        leases = LeaseTable(
            defaults: HealthPolicy(ttl: Self.ttl, deregisterAfter: .seconds(600)),
            epoch: Epoch(rawValue: 1),
            now: clock.monotonic
        )
        watch = DeadlineWatch(
            leases: leases,
            queue: queue,
            clock: registryClock,
            metrics: metrics,
            ttl: Self.ttl,
            expiryGuard: MassExpiryGuard(options: guardOptions),
            notice: { [notices] in notices.add($0) }
        )
    }

    func add(_ count: Int, _ health: Health = .healthy) throws {
        for index in states.count..<states.count + count {
            let key = try sampleKey("a", "i\(index)")
            let state = InstanceState(
                handle: SequenceNumber(UInt64(index + 1)),
                health: health,
                cause: .reported,
                since: clock.wall,
                registeredAt: clock.wall,
                modified: .none
            )
            states[key] = state
            leases.apply([.put(key, state, .inherited)], now: clock.monotonic)
        }
    }

    /// Time passes in steps of a tick; those named beat every ten seconds.
    func run(for duration: Duration, beating: Range<Int> = 0..<0) throws {
        let ticks = Int(duration.milliseconds / 100)
        for tick in 1...ticks {
            clock.advance(by: .milliseconds(100))
            if tick % 100 == 0 { try beat(beating) }
            watch.look(clock.monotonic, isWholeSecond: tick % 10 == 0)
            carryOut()
        }
    }

    func beat(_ indices: Range<Int>) throws {
        for index in indices {
            let key = try sampleKey("a", "i\(index)")
            guard case .mustReport = leases.beat(key, reported: nil, ifMatch: nil, now: clock.monotonic) else {
                continue
            }
            guard let state = states[key],
                let change = HealthPolicy.transition(of: state.health, because: state.cause, onBeat: nil)
            else { continue }
            turn(key, change.to, change.cause)
        }
    }

    func count(_ health: Health) -> Int {
        states.values.count { $0.health == health }
    }

    private func carryOut() {
        while queue.depth > 0, let batch = queue.nextBatch() {
            for submission in batch {
                for command in submission.commands { carryOut(command) }
                submission.completion([])
            }
        }
    }

    private func carryOut(_ command: Command) {
        switch command {
        case .markUnhealthy(let key, let handle):
            if isMeant(key, handle) { turn(key, .unhealthy, .heartbeatMissed) }
        case .markProtected(let key, let handle):
            if isMeant(key, handle) { turn(key, .degraded, .overdueProtected) }
        case .expire(let key, let handle):
            guard isMeant(key, handle) else { return }
            states[key] = nil
            leases.apply([.remove(key)], now: clock.monotonic)
            history.append("\(key.id) gone")
        case .record(.protectionStarted): history.append("guard on")
        case .record(.protectionEnded(let report)): history.append("guard off: \(report.why)")
        default: history.append("\(command)")
        }
    }

    private func isMeant(_ key: InstanceKey, _ handle: InstanceHandle) -> Bool {
        leases.isStillDue(key, handle, now: clock.monotonic)
    }

    private func turn(_ key: InstanceKey, _ health: Health, _ cause: TransitionCause) {
        states[key]?.health = health
        states[key]?.cause = cause
        guard let state = states[key] else { return }
        leases.apply([.health(key, state)], now: clock.monotonic)
        history.append("\(key.id) \(health) \(cause)")
    }
}

@Suite("Silence and what it comes to")
struct DeadlineWatchTests {
    @Test("ttl, unhealthy, deregister-after, gone")
    func life() throws {
        let bench = Bench()
        try bench.add(2)
        try bench.run(for: .seconds(29.9), beating: 1..<2)
        #expect(bench.history == [])
        try bench.run(for: .seconds(0.3), beating: 1..<2)
        #expect(bench.history == ["i0 unhealthy heartbeat-missed"])
        try bench.run(for: .seconds(599), beating: 1..<2)
        #expect(bench.history.count == 1)
        try bench.run(for: .seconds(2), beating: 1..<2)
        #expect(bench.history == ["i0 unhealthy heartbeat-missed", "i0 gone"])
        #expect(bench.count(.healthy) == 1)
    }

    @Test("a beat brings back one that was unhealthy, and its time begins anew")
    func resumed() throws {
        let bench = Bench()
        try bench.add(1)
        try bench.run(for: .seconds(400))
        try bench.beat(0..<1)
        try bench.run(for: .seconds(29))
        #expect(bench.history == ["i0 unhealthy heartbeat-missed", "i0 healthy heartbeat-resumed"])
        try bench.run(for: .seconds(590))
        #expect(bench.history.last == "i0 unhealthy heartbeat-missed")
    }

    @Test("a starting one that falls silent is unhealthy too")
    func starting() throws {
        let bench = Bench()
        try bench.add(1, .starting)
        try bench.run(for: .seconds(31))
        #expect(bench.count(.unhealthy) == 1)
    }

    @Test("a draining one that falls silent goes on draining, whatever it says later, and expires in time")
    func draining() throws {
        let bench = Bench()
        try bench.add(1, .draining)
        try bench.run(for: .seconds(300))
        #expect(bench.count(.draining) == 1)
        try bench.beat(0..<1)
        #expect(bench.count(.draining) == 1)
        try bench.run(for: .seconds(629))
        #expect(bench.count(.draining) == 1)
        try bench.run(for: .seconds(2))
        #expect(bench.history == ["i0 gone"])
    }

    @Test("one that said itself that it is ill has the whole time from its falling silent on")
    func illThenSilent() throws {
        let bench = Bench()
        try bench.add(1, .unhealthy)
        for _ in 0..<70 {
            try bench.run(for: .seconds(10))
            try bench.beat(0..<1)
        }
        try bench.run(for: .seconds(629))
        #expect(bench.history == [])
        try bench.run(for: .seconds(2))
        #expect(bench.history == ["i0 gone"])
    }

    @Test("nine of nine may go: the guard counts from ten on")
    func fewSilent() throws {
        let bench = Bench()
        try bench.add(9)
        try bench.run(for: .seconds(31))
        #expect(bench.count(.unhealthy) == 9)
        #expect(!bench.watch.isProtecting)
    }

    @Test("ten of forty may go: the guard looks for over a third")
    func smallShare() throws {
        let bench = Bench()
        try bench.add(40)
        try bench.run(for: .seconds(31), beating: 10..<40)
        #expect(bench.count(.unhealthy) == 10)
        #expect(!bench.watch.isProtecting)
    }

    @Test("over a third silent: the overdue are degraded, none is removed, until the beats are back")
    func protection() throws {
        let bench = Bench()
        try bench.add(30)
        try bench.run(for: .seconds(31), beating: 11..<30)
        #expect(bench.watch.isProtecting)
        #expect(bench.history.first == "guard on")
        #expect(bench.states.values.filter { $0.cause == .overdueProtected }.count == 11)
        #expect(bench.count(.degraded) == 11 && bench.count(.unhealthy) == 0)
        #expect(bench.notices.all.contains { $0.message.contains("mass expiry guard on") })
        try bench.run(for: .seconds(300), beating: 11..<30)
        #expect(bench.states.count == 30 && bench.count(.unhealthy) == 0)
        #expect(bench.history.count == 12)
        try bench.run(for: .seconds(30), beating: 0..<30)
        #expect(!bench.watch.isProtecting)
        #expect(bench.history.contains { $0.hasPrefix("guard off: ") && $0.hasSuffix("beat within one ttl") })
        #expect(bench.count(.healthy) == 30)
    }

    @Test("protection ends by itself; then a tenth of the instances may go within a ttl")
    func pacing() throws {
        let bench = Bench()
        try bench.add(40)
        try bench.run(for: .seconds(31), beating: 20..<40)
        #expect(bench.count(.degraded) == 20)
        try bench.run(for: .seconds(598), beating: 20..<40)
        #expect(bench.watch.isProtecting)
        try bench.run(for: .seconds(2), beating: 20..<40)
        #expect(bench.history.contains("guard off: protected for 600 s"))
        var before = 0
        for round in 1...5 {
            try bench.run(for: Bench.ttl, beating: 20..<40)
            let gone = bench.count(.unhealthy)
            #expect(gone > before, "round \(round)")
            #expect(gone - before <= 4 + 1, "round \(round)")
            before = gone
        }
        try bench.run(for: .seconds(60), beating: 20..<40)
        #expect(bench.count(.unhealthy) == 20)
        #expect(bench.count(.healthy) == 20)
    }

    @Test("an operator's word begins and ends protection")
    func override() throws {
        let bench = Bench()
        try bench.add(2)
        bench.watch.override(.hold)
        try bench.run(for: .seconds(700))
        #expect(bench.watch.isProtecting)
        #expect(bench.count(.degraded) == 2)
        bench.watch.override(.release)
        #expect(!bench.watch.isProtecting)
        try bench.run(for: .seconds(90))
        #expect(bench.count(.unhealthy) == 2)
    }

    @Test("while the registry itself stood still nobody was silent")
    func lateness() throws {
        let bench = Bench()
        try bench.add(20)
        try bench.run(for: .seconds(20))
        bench.clock.advance(by: .seconds(100))
        bench.leases.extendAll(by: .seconds(100))
        try bench.run(for: .seconds(9))
        #expect(bench.history == [])
        #expect(!bench.watch.isProtecting)
    }

    @Test("its thread tells that it stood still, and extends every deadline")
    func standstill() async throws {
        let bench = Bench()
        try bench.add(1)
        let (watch, clock) = (bench.watch, bench.clock)
        let thread = WorkerThread(name: "test-deadlines") { watch.run {} }
        try await eventually("a first look") { bench.metrics.deadlineLag.snapshot.counts.contains { $0 > 0 } }
        clock.advance(by: .seconds(3_600))
        try await eventually("a word on the stand-still") {
            bench.notices.all.contains { $0.message.contains("stood still for") }
        }
        watch.stop()
        await join(thread)
        let silence = try #require(bench.leases.silence(of: try sampleKey("a", "i0"), now: clock.monotonic))
        #expect(silence < .seconds(1))
    }
}

import RegistryModel
import TestSupport
import Testing

private func at(_ seconds: Int64) -> MonotonicTime {
    MonotonicTime(rawValue: seconds * 1_000_000_000)
}

@Suite("Health")
struct HealthPolicyTests {
    @Test("silence makes unhealthy after a ttl, and expires after deregister-after", arguments: Health.allCases)
    func verdicts(health: Health) {
        let policy = HealthPolicy.default
        func verdict(_ silent: Double, _ unhealthy: Double) -> HealthPolicy.Verdict {
            policy.verdict(health, silentFor: .seconds(silent), unhealthyFor: .seconds(unhealthy))
        }
        #expect(verdict(0, 0) == .inTime(checkAfter: .seconds(30)))
        #expect(verdict(29.5, 9_999) == .inTime(checkAfter: .seconds(0.5)))
        switch health {
        case .starting, .healthy, .degraded:
            #expect(verdict(30, 0) == .overdue)
            #expect(verdict(9_999, 9_999) == .overdue)
        case .unhealthy:
            #expect(verdict(30, 9_999) == .inTime(checkAfter: .seconds(600)))
            #expect(verdict(700, 599) == .inTime(checkAfter: .seconds(1)))
            #expect(verdict(700, 600) == .expired)
        case .draining:
            #expect(verdict(629, 9_999) == .inTime(checkAfter: .seconds(1)))
            #expect(verdict(630, 0) == .expired)
        }
    }

    @Test("what a beat changes", arguments: Health.allCases, TransitionCause.allCases)
    func transitions(health: Health, cause: TransitionCause) {
        let wasSilent = cause == .heartbeatMissed || cause == .overdueProtected
        for reported in Health.allCases {
            for isProbe in [false, true] {
                let change = HealthPolicy.transition(of: health, because: cause, onBeat: reported, probe: isProbe)
                if health == .draining || (reported == health && !wasSilent) {
                    #expect(change == nil)
                } else {
                    #expect(change?.to == reported)
                    let resumes = wasSilent && reported == .healthy
                    #expect(change?.cause == (resumes ? .heartbeatResumed : isProbe ? .probe : .reported))
                }
            }
        }
        let alive = HealthPolicy.transition(of: health, because: cause, onBeat: nil)
        switch health {
        case .draining: #expect(alive == nil)
        case .starting: #expect(alive?.to == .healthy && alive?.cause == .reported)
        default:
            #expect(alive?.to == (wasSilent ? .healthy : nil))
            #expect(alive?.cause == (wasSilent ? .heartbeatResumed : nil))
        }
    }

    @Test("names read back, and only they", arguments: Health.allCases)
    func names(health: Health) {
        #expect(Health(health.description) == health)
        #expect(Health(health.description.uppercased()) == nil)
        for cause in TransitionCause.allCases { #expect(TransitionCause(cause.description) == cause) }
    }
}

@Suite("Mass expiry guard")
struct MassExpiryGuardTests {
    private typealias Observation = MassExpiryGuard.Observation

    private func tripped(at time: MonotonicTime = at(0)) -> MassExpiryGuard {
        var machine = MassExpiryGuard()
        _ = machine.assess(Observation(leased: 100, beating: 50, silent: 50, overdue: 1), now: time)
        return machine
    }

    @Test(
        "starts above a third, and at ten or more",
        arguments: [
            (100, 33, false), (100, 34, true), (20, 9, false), (20, 10, true), (10, 10, true), (9, 9, false),
            (31, 10, false), (30, 10, true), (0, 0, false),
        ]
    )
    func starts(leased: Int, silent: Int, trips: Bool) {
        var machine = MassExpiryGuard()
        let seen = Observation(leased: leased, beating: leased - silent, silent: silent, overdue: 1)
        let decision = machine.assess(seen, now: at(0))
        #expect(machine.isProtecting == trips)
        guard trips else {
            #expect(decision == .none)
            #expect(machine.allowedExpiries(of: 5, leased: leased, ttl: .seconds(30), now: at(0)) == 5)
            return
        }
        guard case .start(let report) = decision else {
            Issue.record("\(decision)")
            return
        }
        #expect(report.expected == UInt64(leased))
        #expect(report.seen == UInt64(leased - silent))
        #expect(machine.allowedExpiries(of: 5, leased: leased, ttl: .seconds(30), now: at(0)) == 0)
    }

    @Test("ends when 85 % have beaten within a ttl")
    func recovers() {
        var machine = tripped()
        #expect(machine.assess(Observation(leased: 100, beating: 84, silent: 16, overdue: 16), now: at(10)) == .none)
        let end = machine.assess(Observation(leased: 100, beating: 85, silent: 15, overdue: 15), now: at(11))
        #expect(end == .end(ProtectionReport(expected: 100, seen: 85, why: "85 of 100 beat within one ttl")))
        #expect(machine.mode == .pacing)
        _ = machine.assess(Observation(leased: 100, beating: 99, silent: 1, overdue: 1), now: at(12))
        #expect(machine.mode == .pacing)
        _ = machine.assess(Observation(leased: 100, beating: 100, silent: 0, overdue: 0), now: at(13))
        #expect(machine.mode == .off)
    }

    @Test("ends after protect-for, whatever is silent")
    func timesOut() {
        var machine = tripped()
        let silent = Observation(leased: 100, beating: 0, silent: 100, overdue: 100)
        #expect(machine.assess(silent, now: at(599)) == .none)
        #expect(machine.assess(silent, now: at(600)) == .end(.init(expected: 100, seen: 0, why: "protected for 600 s")))
        // And does not start again before what is overdue has gone.
        #expect(machine.assess(silent, now: at(601)) == .none)
        #expect(machine.mode == .pacing)
    }

    @Test("an operator's hold ends only by release")
    func holdAndRelease() {
        var machine = MassExpiryGuard()
        machine.override(.release, now: at(0))
        #expect(machine.mode == .off)
        machine.override(.hold, now: at(1))
        #expect(machine.mode == .protecting(since: at(1), isHeld: true))
        let recovered = Observation(leased: 100, beating: 100, silent: 0, overdue: 0)
        #expect(machine.assess(recovered, now: at(5_000)) == .none)
        machine.override(.release, now: at(5_001))
        #expect(machine.mode == .pacing)
        var other = tripped(at: at(3))
        other.override(.hold, now: at(9))
        #expect(other.mode == .protecting(since: at(3), isHeld: true))
        var restored = MassExpiryGuard()
        restored.restore(protectingSince: at(2), isHeld: false)
        #expect(restored.assess(Observation(leased: 9, beating: 0, silent: 9, overdue: 9), now: at(602)) != .none)
    }

    @Test("afterwards a tenth of the instances may expire within a ttl", arguments: [1, 7, 30])
    func pacing(step: Int64) {
        var machine = tripped()
        machine.override(.release, now: at(0))
        var expired = 0
        var now: Int64 = 0
        while now < 300 {
            now += step
            expired += machine.allowedExpiries(of: 1_000 - expired, leased: 1_000, ttl: .seconds(30), now: at(now))
        }
        let due = Int(now / 30) * 100
        #expect((due - 101...due + 100).contains(expired))
        // However long nobody asked, never more than one ttl's worth at once.
        #expect(machine.allowedExpiries(of: 1_000, leased: 1_000, ttl: .seconds(30), now: at(99_999)) <= 100)
        // A small fleet's share is one at least.
        var small = tripped()
        small.override(.release, now: at(0))
        #expect(small.allowedExpiries(of: 3, leased: 3, ttl: .seconds(30), now: at(30)) == 1)
    }
}

import NIOCore
import Testing

@testable import Mesh

@Suite("Peak EWMA")
struct PeakEWMATests {
    @Test("follows a peak at once and forgets it slowly")
    func peaks() {
        var latency = PeakEWMA(guess: .milliseconds(10), now: .at(.zero))
        latency.observe(.milliseconds(500), now: .at(.milliseconds(1)))
        #expect(latency.estimate(now: .at(.milliseconds(1))) == 500e6)
        latency.observe(.milliseconds(10), now: .at(.milliseconds(101)))
        let soon = latency.estimate(now: .at(.milliseconds(101)))
        #expect(soon > 490e6 && soon < 500e6)
        for second in 1...60 { latency.observe(.milliseconds(10), now: .at(.seconds(Int64(second)))) }
        #expect(latency.estimate(now: .at(.seconds(60))) < 15e6)
    }

    @Test("what is not renewed fades, but never to nothing")
    func fades() {
        var latency = PeakEWMA(guess: .zero, now: .at(.zero))
        #expect(!latency.isMeasured)
        latency.observe(.seconds(1), now: .at(.zero))
        #expect(latency.isMeasured)
        #expect((0.36e9...0.40e9).contains(latency.estimate(now: .at(.seconds(10)))))
        #expect(latency.estimate(now: .at(.hours(9))) >= 1_000)
    }

    @Test("a clock that stands still or an odd latency does no harm")
    func odd() {
        var latency = PeakEWMA(guess: .milliseconds(10), now: .at(.seconds(5)))
        latency.observe(.milliseconds(-5), now: .at(.seconds(5)))
        #expect(latency.estimate(now: .at(.seconds(1))) == 10e6)
    }
}

@Suite("Ejection")
struct EjectionTests {
    @Test("comes after five failures in a row")
    func threshold() {
        var ejection = Ejection()
        for _ in 0..<4 { #expect(ejection.record(isFailure: true) == false) }
        #expect(ejection.record(isFailure: false) == false)
        for _ in 0..<4 { #expect(ejection.record(isFailure: true) == false) }
        #expect(ejection.record(isFailure: true) == true)
    }

    @Test("lasts thirty seconds times its count, five minutes at most")
    func lengths() {
        var ejection = Ejection()
        var now = NIODeadline.at(.zero)
        for count in 1...12 {
            ejection.eject(now: now)
            let length = TimeAmount.seconds(min(30 * Int64(count), 300))
            #expect(ejection.until == now + length)
            #expect(ejection.endIfOver(now: now + length - .nanoseconds(1)) == false)
            now = now + length
            #expect(ejection.endIfOver(now: now) == true)
            #expect(ejection.until == nil && ejection.failuresInARow == 0)
        }
    }

    @Test("begins anew after a good time as long as the last ejection")
    func forgiven() {
        var ejection = Ejection()
        ejection.eject(now: .at(.zero))
        #expect(ejection.endIfOver(now: .at(.seconds(31))) == true)
        ejection.eject(now: .at(.seconds(50)))
        #expect(ejection.count == 2)
        #expect(ejection.endIfOver(now: .at(.seconds(110))) == true)
        ejection.eject(now: .at(.seconds(171)))
        #expect(ejection.count == 1)
    }

    @Test("is not made longer by tries that end during it")
    func during() {
        var ejection = Ejection()
        ejection.eject(now: .at(.zero))
        for _ in 0..<20 { #expect(ejection.record(isFailure: true) == false) }
        #expect(ejection.endIfOver(now: .at(.seconds(30))) == true)
        #expect(ejection.record(isFailure: true) == false)
    }
}

@Suite("The circuit breaker")
struct CircuitBreakerTests {
    @Test("opens when everyone is silent, and lets one through each second")
    func probes() {
        var breaker = CircuitBreaker()
        for _ in 0..<5 {
            #expect(breaker.admit(now: .at(.zero)) == .pass)
            breaker.record(isSilence: true, everyoneIsSilent: true, now: .at(.zero))
        }
        #expect(breaker.openSince == .at(.zero))
        #expect(breaker.admit(now: .at(.milliseconds(400))) == .refuse(retryAfter: .milliseconds(600)))
        var probes = 0
        for tick in 0..<100 where breaker.admit(now: .at(.milliseconds(1_000 + Int64(tick) * 100))) == .probe {
            probes += 1
        }
        #expect(probes == 10)
        breaker.record(isSilence: false, everyoneIsSilent: false, now: .at(.seconds(12)))
        #expect(breaker.admit(now: .at(.seconds(12))) == .pass)
    }

    @Test("stays closed while one instance answers, or after a few silences only")
    func closed() {
        var breaker = CircuitBreaker()
        for _ in 0..<50 { breaker.record(isSilence: true, everyoneIsSilent: false, now: .at(.zero)) }
        #expect(breaker.openSince == nil)
        breaker.record(isSilence: false, everyoneIsSilent: false, now: .at(.zero))
        for _ in 0..<4 { breaker.record(isSilence: true, everyoneIsSilent: true, now: .at(.zero)) }
        #expect(breaker.openSince == nil)
    }
}

@Suite("The retry budget")
struct RetryBudgetTests {
    @Test("gives a retry for five first tries, one a second, and what it begins with")
    func rate() {
        var budget = RetryBudget()
        var retries = 0
        for call in 0..<10_000 {
            let now = NIODeadline.at(.milliseconds(Int64(call)))
            budget.firstTry(now: now)
            while budget.takeRetry(now: now) { retries += 1 }
        }
        #expect(retries == 2_000 + 9 + 2)
    }

    @Test("is capped")
    func capped() {
        var budget = RetryBudget()
        budget.firstTry(now: .at(.zero))
        var retries = 0
        while budget.takeRetry(now: .at(.hours(5))) { retries += 1 }
        #expect(retries == 100)
    }
}

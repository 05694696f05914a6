import NIOCore
import TestSupport
import Testing

@testable import Mesh

@Suite("Retries")
struct RetryDecisionTests {
    private func decision(
        _ outcome: TryOutcome,
        _ delivery: Delivery = .unknown,
        isRepeatable: Bool = true,
        triesDone: Int = 1,
        retryAfter: TimeAmount? = nil,
        calleeSaysNo: Bool = false,
        remaining: TimeAmount = .milliseconds(500),
        upstream: Upstream = Upstream(SampleInstance.some(2))
    ) -> RetryDecision {
        var generator = SeededGenerator(usual: 21)
        return decide(
            outcome: outcome,
            delivery: delivery,
            isRepeatable: isRepeatable,
            triesDone: triesDone,
            rules: .builtIn,
            retryAfter: retryAfter,
            calleeSaysNo: calleeSaysNo,
            remaining: remaining,
            upstream: upstream,
            now: .at(.zero),
            using: &generator
        )
    }

    @Test(
        "of what was not delivered come for any request",
        arguments: [TryOutcome.connectFailed, .tlsFailed, .reset, .refused, .status503]
    )
    func notDelivered(outcome: TryOutcome) {
        #expect(decision(outcome, .no, isRepeatable: false).isRetry)
        #expect(decision(outcome, .no).isRetry)
    }

    @Test(
        "of what may have been delivered come for repeatable requests only",
        arguments: [
            TryOutcome.reset, .timedOut, .status503, .answered(status: 502, grpcStatus: nil),
            .answered(status: 504, grpcStatus: nil), .answered(status: 200, grpcStatus: 14),
        ]
    )
    func perhapsDelivered(outcome: TryOutcome) {
        #expect(decision(outcome).isRetry)
        #expect(decision(outcome, isRepeatable: false) == .give(.notRepeatable))
    }

    @Test(
        "never come for the application's own answers",
        arguments: [
            (200, nil), (404, nil), (429, nil), (500, nil), (501, nil), (200, 4), (200, 8), (200, 13), (200, 0),
        ] as [(Int, Int?)]
    )
    func answers(status: Int, grpcStatus: Int?) {
        #expect(decision(.answered(status: status, grpcStatus: grpcStatus)) == .give(.isAnswer))
    }

    @Test("end with the caller, with the tries, by the callee's word, with the time")
    func ends() {
        #expect(decision(.abandoned) == .give(.callerIsGone))
        #expect(decision(.reset, triesDone: 2).isRetry)
        #expect(decision(.reset, triesDone: 3) == .give(.triesSpent))
        #expect(decision(.refused, .no, calleeSaysNo: true) == .give(.calleeSaysNo))
        #expect(decision(.timedOut, remaining: .zero) == .give(.noTime))
        #expect(decision(.refused, .no, retryAfter: .milliseconds(500)) == .give(.noTime))
        #expect(decision(.refused, .no, retryAfter: .milliseconds(499)) == .retry(after: .milliseconds(499)))
    }

    @Test("spend the budget, and only when they come")
    func budget() {
        let upstream = Upstream(SampleInstance.some(2))
        for _ in 0..<9 { _ = decision(.reset, isRepeatable: false, upstream: upstream) }
        #expect(decision(.reset, upstream: upstream).isRetry)
        #expect(decision(.reset, upstream: upstream).isRetry)
        #expect(decision(.reset, upstream: upstream) == .give(.budgetSpent))
        for _ in 0..<5 { upstream.firstTry(now: .at(.zero)) }
        #expect(decision(.reset, upstream: upstream).isRetry)
        #expect(RetryDecision.Reason.budgetSpent.code == .budgetSpent && RetryDecision.Reason.triesSpent.code == nil)
    }

    @Test("wait longer each time, at random, to a bound")
    func backoff() {
        var generator = SeededGenerator(usual: 22)
        for (tries, bound) in [(1, 10), (2, 20), (3, 40), (9, 500), (10_000, 500)] as [(Int, Int64)] {
            let waits = (0..<500).map { _ in RetryBackoff.wait(triesDone: tries, using: &generator) }
            #expect(waits.allSatisfy { $0 >= .zero && $0 <= .milliseconds(bound) })
            #expect(Set(waits).count > 400 && (waits.max() ?? .zero) > .microseconds(bound * 900))
        }
    }
}

extension RetryDecision {
    fileprivate var isRetry: Bool {
        if case .retry = self { true } else { false }
    }
}

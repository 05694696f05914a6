import NIOCore
import RegistryModel
import TestSupport
import Testing

@testable import Mesh

@Suite("What a tail asks for")
struct TailQueryTests {
    private func record(
        from: String = "photo-validator",
        to: String = "identity-check",
        path: String = "/validate",
        status: Int = 200,
        error: String? = nil,
        tries: [TryResult] = [.status(200)],
        took: TimeAmount = .milliseconds(10),
        direction: AccessRecord.Direction = .outbound,
        trace: TraceID = TraceID(high: 0x4bf9_2f35_77b3_4da6, low: 0xa3ce_929d_0e0e_4736)
    ) -> AccessRecord {
        AccessRecord(
            direction: direction,
            time: Timestamp(rawValue: 0),
            from: from,
            to: to,
            method: "POST",
            path: path,
            status: status,
            error: error,
            hint: nil,
            tries: tries.map {
                TryRecord(
                    instance: "a",
                    endpoint: nil,
                    span: nil,
                    result: $0,
                    delivered: nil,
                    at: .zero,
                    took: took,
                    queue: nil,
                    connect: nil,
                    tls: nil,
                    isReused: true,
                    message: nil
                )
            },
            mostTries: 3,
            received: 0,
            sent: 0,
            took: took,
            body: nil,
            timeout: .seconds(15),
            traceID: trace,
            span: nil,
            isMutualTLS: true,
            isTLS: true
        )
    }

    private func query(_ change: (inout TailQuery) -> Void) -> TailQuery {
        var query = TailQuery()
        change(&query)
        return query
    }

    @Test("nothing asked for is everything; a service is meant as caller and as callee")
    func services() {
        #expect(TailQuery().takes(record()))
        #expect(TailQuery().takes(record(direction: .inbound)))
        let ofBoth = query { $0.service = "identity-check" }
        #expect(ofBoth.takes(record()))
        #expect(ofBoth.takes(record(from: "identity-check", to: "payment-gateway")))
        #expect(!ofBoth.takes(record(to: "payment-gateway")))
        let sent = query { $0.from = "identity-check" }
        #expect(!sent.takes(record()))
        #expect(sent.takes(record(from: "identity-check", to: "payment-gateway")))
    }

    @Test("a status is the answer's or a try's; a word is how a try ended or what the mesh says")
    func outcomes() throws {
        let serverErrors = query { $0.outcomes = [.statusClass(5)] }
        #expect(!serverErrors.takes(record()))
        #expect(serverErrors.takes(record(status: 503)))
        #expect(serverErrors.takes(record(tries: [.status(503), .status(200)])))
        let refused = query { $0.outcomes = [.word("refused"), .status(404)] }
        #expect(refused.takes(record(tries: [.failed("refused"), .status(200)])))
        #expect(refused.takes(record(status: 404)))
        #expect(!refused.takes(record(tries: [.failed("timeout"), .status(200)])))
        #expect(
            query { $0.outcomes = [.word("breaker-open")] }.takes(
                record(status: 503, error: "breaker-open", tries: [])
            )
        )
        for text in ["", "6xx", "0", "99", "5x", "nonsense", "5xxx"] { #expect(TailQuery.Outcome(text) == nil) }
        #expect(TailQuery.Outcome("503") == .status(503))
        #expect(TailQuery.Outcome("tls-failed") == .word("tls-failed"))
    }

    @Test("paths by their beginning, times from a bound on, one trace alone, and one direction")
    func others() {
        #expect(query { $0.path = "/val" }.takes(record()))
        #expect(!query { $0.path = "/charge" }.takes(record()))
        #expect(query { $0.slowMicroseconds = 10_000 }.takes(record()))
        #expect(!query { $0.slowMicroseconds = 10_001 }.takes(record()))
        #expect(!query { $0.trace = "0" }.takes(record()))
        #expect(query { $0.trace = "4bf92f3577b34da6a3ce929d0e0e4736" }.takes(record()))
        #expect(!query { $0.direction = .inbound }.takes(record()))
        #expect(!query { $0.direction = .outbound }.takes(record(direction: .inbound)))
    }

    @Test("what comes in is not told where the caller's own sidecar tells it")
    func known() {
        let query = query { $0.knownCallers = ["photo-validator"] }
        #expect(!query.takes(record(direction: .inbound)))
        #expect(query.takes(record()))
        #expect(query.takes(record(from: "passport-office", direction: .inbound)))
    }

    @Test("it comes out of a URL as it went in")
    func roundTrip() throws {
        let all = query {
            $0.service = "identity-check"
            $0.from = "user/ada"
            $0.path = "/a b&c=d%e/ü"
            $0.slowMicroseconds = 200_000
            $0.outcomes = [.statusClass(5), .word("refused"), .status(404)]
            $0.trace = "4bf92f3577b34da6a3ce929d0e0e4736"
            $0.direction = .outbound
            $0.knownCallers = ["a", "b"]
            $0.linesPerSecond = 10
        }
        #expect(all.target.hasPrefix("/tail?"))
        #expect(try TailQuery(query: all.target.dropFirst("/tail?".count)) == all)
        #expect(TailQuery().target == "/tail")
        #expect(try TailQuery(query: "") == TailQuery())
    }

    @Test("so many look on at a sidecar and no more; whoever leaves makes room")
    func mostTails() async throws {
        try await withTemporaryDirectory { directory in
            let log = AccessLog(path: directory + "/access.log")
            let tail = AccessLogTail(query: TailQuery()) { _, _ in }
            let numbers = (0..<AccessLog.mostTails).compactMap { _ in log.add(tail) }
            #expect(numbers.count == AccessLog.mostTails)
            #expect(log.add(tail) == nil)
            log.remove(numbers[3])
            #expect(log.add(tail) != nil)
            await log.close()
        }
    }

    @Test(
        "what can't be read is refused",
        arguments: [
            "service", "path=%4", "path=%zz", "path=%ff", "status=6xx", "slow_us=-1", "slow_us=x", "rate=0",
            "rate=1000000", "direction=up", "color=red",
        ]
    )
    func malformed(_ text: String) {
        #expect(throws: TailQuery.Malformed.self) { try TailQuery(query: text[...]) }
    }
}

@Suite("Sampling of a tail")
struct LineSamplerTests {
    private static let begin = NIODeadline.uptimeNanoseconds(10_000_000_000)

    /// - Returns: traces that are taken of `count` lines within the second that begins at `second`.
    private func taken(_ sampler: inout LineSampler, _ count: Int, second: Int64) -> Set<TraceID> {
        var taken: Set<TraceID> = []
        for index in 0..<count {
            let now = Self.begin + .seconds(second) + .nanoseconds(Int64(index) * 999_000_000 / Int64(count))
            let trace = TraceID(high: UInt64(second), low: UInt64(index))
            if sampler.takes(trace, now: now) { taken.insert(trace) }
        }
        return taken
    }

    @Test("a slow stream is whole, a fast one never sends more than it may")
    func bound() {
        var sampler = LineSampler(most: 100)
        #expect(taken(&sampler, 100, second: 0).count == 100)
        #expect(taken(&sampler, 5_000, second: 1).count == 100)
        // From now on it is known to be fast: lines of the whole second, not of its beginning.
        let spread = taken(&sampler, 5_000, second: 2)
        #expect((60...100).contains(spread.count))
        let late = spread.filter { $0.low > 2_500 }
        #expect(late.count > 20)
        #expect(taken(&sampler, 50, second: 3).count < 50)
        #expect(taken(&sampler, 50, second: 4).count == 50)
    }

    @Test("after a quiet second everything is taken again")
    func quiet() {
        var sampler = LineSampler(most: 10)
        _ = taken(&sampler, 1_000, second: 0)
        #expect(taken(&sampler, 10, second: 5).count == 10)
    }

    @Test("two sidecars keep the same requests: what the busier one sends, the other sends too")
    func consistent() {
        var busy = LineSampler(most: 100)
        var calm = LineSampler(most: 100)
        _ = taken(&busy, 10_000, second: 0)
        _ = taken(&calm, 1_000, second: 0)
        var ofBusy: Set<TraceID> = []
        var ofCalm: Set<TraceID> = []
        for index in 0..<500 {
            let now = Self.begin + .seconds(1)
            let trace = TraceID(high: 0, low: UInt64(index))
            if busy.takes(trace, now: now) { ofBusy.insert(trace) }
            if calm.takes(trace, now: now) { ofCalm.insert(trace) }
        }
        #expect(ofBusy.isSubset(of: ofCalm))
        #expect(!ofBusy.isEmpty && ofBusy.count < ofCalm.count)
    }
}

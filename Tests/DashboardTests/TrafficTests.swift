import Testing

@testable import Dashboard

@Suite("Rates of calls")
struct TrafficTests {
    private static func page(_ answered: Int, _ failed: Int, retries: Int = 0, within: [Int] = [0, 0, 0]) -> String {
        """
        # HELP hms_mesh_requests_total Requests, by direction, service called and class of status.
        # TYPE hms_mesh_requests_total counter
        hms_mesh_requests_total{direction="outbound",service="identity-check",status="2xx"} \(answered)
        hms_mesh_requests_total{direction="outbound",service="identity-check",status="5xx"} \(failed)
        hms_mesh_requests_total{direction="inbound",service="photo-validator",status="4xx"} 7
        hms_mesh_requests_total{direction="inbound",service="photo-validator",status="gone"} 2
        hms_mesh_retries_total{service="identity-check"} \(retries)
        hms_mesh_request_duration_seconds_bucket{direction="outbound",service="identity-check",le="0.01"} \(within[0])
        hms_mesh_request_duration_seconds_bucket{direction="outbound",service="identity-check",le="0.1"} \(within[1])
        hms_mesh_request_duration_seconds_bucket{direction="outbound",service="identity-check",le="+Inf"} \(within[2])
        hms_mesh_requests_in_flight 3
        broken{line 4
        """
    }

    @Test("a metrics page is read by service and direction, and what is no sample is passed over")
    func reading() throws {
        let reading = MetricsReading(Self.page(90, 10, retries: 5, within: [50, 99, 100]))
        let calls = try #require(reading.outbound["identity-check"])
        #expect((calls.answered, calls.failed, calls.retries) == (90, 10, 5))
        #expect(calls.buckets.map(\.count) == [50, 99, 100])
        #expect(calls.buckets.last?.bound == .infinity)
        #expect((reading.inbound.answered, reading.inbound.abandoned) == (7, 2))
        #expect(reading.outbound.count == 1)
    }

    @Test(
        "quantiles lie inside their bucket; beyond the last bound that bound is told; without requests there are none"
    )
    func quantiles() throws {
        let calls = try #require(MetricsReading(Self.page(90, 10, within: [50, 99, 100])).outbound["identity-check"])
        #expect(calls.quantile(0.5) == 0.01)
        let p75 = try #require(calls.quantile(0.75))
        #expect(abs(p75 - (0.01 + 0.09 * 25 / 49)) < 1e-9)
        #expect(calls.quantile(1) == 0.1)
        #expect(CallCounters().quantile(0.5) == nil)
    }

    @Test("rates are of the window's difference; a counter that begins anew forgets what was before")
    func window() throws {
        let begin = ContinuousClock.now
        var window = TrafficWindow()
        window.take(MetricsReading(Self.page(1_000, 0, within: [1_000, 1_000, 1_000])), at: begin)
        #expect(window.recent() == nil)
        for second in 1...20 {
            let count = 1_000 + second * 10
            window.take(
                MetricsReading(Self.page(count, second, retries: second, within: [count, count, count + second])),
                at: begin + .seconds(second)
            )
        }
        let recent = try #require(window.recent())
        #expect(recent.seconds == 10)
        let counters = try #require(recent.counters.outbound["identity-check"])
        let traffic = Traffic(counters, seconds: recent.seconds)
        #expect(traffic.requestsPerSecond == 11)
        #expect(traffic.success == 100.0 / 110)
        #expect(traffic.retriesPerSecond == 1)
        window.take(MetricsReading(Self.page(5, 0)), at: begin + .seconds(21))
        #expect(window.recent() == nil)
    }

    @Test("no requests: no success, no latency, no share of retries")
    func silence() {
        let traffic = Traffic(CallCounters(), seconds: 10)
        #expect(traffic.requestsPerSecond == 0)
        #expect(traffic.success == nil)
        #expect(traffic.retried == nil)
        #expect(traffic.p99 == nil)
    }
}

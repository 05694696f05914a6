import Mesh
import RegistryModel
import Terminal
import TestSupport
import Testing

@testable import hms_mesh

@Suite("hms-mesh curl")
struct CurlTests {
    private static let plain = Style(isColored: false)

    @Test("a call's account: tries in columns, the phases of the one that answered, what it took of what it had")
    func account() throws {
        let text = """
            {"time":"2026-11-24T14:05:12.481Z","direction":"outbound","from":"photo-validator","to":"identity-check",\
            "method":"POST","path":"/validate","status":200,"duration_us":18300,"body_us":100,"timeout_ms":800,\
            "max_tries":3,"tries":[\
            {"instance":"ws14-7001","failed":"refused","delivered":"no","at_us":0,"duration_us":400,\
            "message":"connection refused"},\
            {"instance":"ws14-7002","status":200,"at_us":6500,"duration_us":11700,"queue_us":100,"connect_us":2500,\
            "tls_us":2200}],"trace":"4bf92f3577b34da6a3ce929d0e0e4736","mtls":"on"}
            """
        let line = try #require(AccessLine(Array(text.utf8)[...]))
        #expect(
            CallAccount(line, "OK").rendered(.unicode, Self.plain) == [
                "✘ try 1/3  ws14-7001  refused      0.4ms  connection refused: not sent, safe to retry",
                "✔ try 2/3  ws14-7002  200 OK      11.7ms",
                "    backoff 6.1ms  queue 0.1ms  connect 0.3ms  TLS 2.2ms  wait 9.1ms  body 0.1ms",
                "  18.3ms of 800ms · 1 retry · trace 4bf92f3577b34da6a3ce929d0e0e4736",
            ]
        )
    }

    @Test("a line of an older sidecar, without phases, is told with what it has")
    func olderLine() throws {
        let text = """
            {"direction":"outbound","status":503,"duration_us":900,"max_tries":1,\
            "tries":[{"instance":"a","status":503,"duration_us":900}],"trace":"0"}
            """
        let line = try #require(AccessLine(Array(text.utf8)[...]))
        #expect(
            CallAccount(line, "Service Unavailable").rendered(.ascii, Self.plain) == [
                "XX try 1/1  a          503 Service Unavailable    0.9ms", "    queue 0.0ms  wait 0.9ms",
                "  0.9ms | trace 0",
            ]
        )
    }

    private func tally() -> LoadTally {
        var tally = LoadTally()
        for index in 0..<100 {
            _ = tally.start(of: 100)
            var response = SidecarCaller.Response(status: index < 90 ? 200 : 503)
            response.headers = [("x-hms-instance", index.isMultiple(of: 2) ? "pay/a" : "pay/b")]
            if index < 10 { response.headers.append(("x-hms-attempts", "2")) }
            if index >= 95 { response.headers.append(("x-hms-error", "breaker-open")) }
            tally.take(.success(response), Int64(index + 1) * 1_000)
        }
        return tally
    }

    private func upstream(_ failed: [String: Int], ejected: String? = nil) throws -> SidecarStatus.Upstream {
        let instances = failed.map { id, failed in
            let ejection = id == ejected ? #","ejected_ms":22000,"failures_in_a_row":5,"last":"refused""# : ""
            return #"{"id":"\#(id)","failed_tries":\#(failed)\#(ejection)}"#
        }
        let text = #"{"upstreams":[{"service":"pay","instances":[\#(instances.joined(separator: ","))]}]}"#
        return try #require(try SidecarStatus(parsing: Array(text.utf8)).upstreams.first)
    }

    @Test("a load's summary: by latency, with what failed apart; by instance, with its breaker; by reason")
    func summary() throws {
        let summary = LoadSummary(
            tally: tally(),
            seconds: 1.75,
            before: try upstream(["a": 3, "b": 5, "c": 1]),
            after: try upstream(["a": 3, "b": 43, "c": 2], ejected: "b")
        )
        #expect(
            summary.rendered(Self.plain, .unicode) == [
                "  requests  100 · 57/s · 2s     succeeded 90.00% · retried 10 (10.0%)",
                "  latency   p50 51.0ms  p90 91.0ms  p99 100.0ms  p99.9 100.0ms  max 100.0ms",
                "      ≤1ms █ 1",
                "      ≤2ms █ 1",
                "      ≤4ms █ 2",
                "      ≤8ms ██ 4",
                "     ≤16ms ████ 8",
                "     ≤32ms ████████ 16",
                "     ≤64ms █████████████████ 32",
                "    ≤128ms ████████████████████ 36 (10 failed)",
                "  INSTANCE  REQUESTS  FAILED TRIES     P50      P99  BREAKER",
                "  a               50             0  51.0ms   99.0ms  closed",
                "  b               50            38  52.0ms  100.0ms  open 22s (5 refused in a row)",
                "  c                0             1       -        -  closed",
                "  FAILED  WHY",
                "       5  503",
                "       5  breaker-open",
            ]
        )
        let json = try JSONValue(parsing: Array(summary.json().utf8))
        #expect(json["succeeded"] == .number(90))
        #expect(json["failed_tries"]?["b"] == .number(38))
        #expect(json["failures"]?["breaker-open"] == .number(5))
    }

    @Test("where the sidecar can't be asked, nothing is said of failed tries and breakers")
    func withoutSidecar() {
        let lines = LoadSummary(tally: tally(), seconds: 1).rendered(Self.plain, .unicode)
        #expect(lines.contains("  a               50             -  51.0ms   99.0ms  -"))
    }

    @Test("a load that is stopped begins nothing more")
    func stopped() {
        var tally = LoadTally()
        let first = tally.start(of: 2)
        #expect(first)
        tally.stop()
        let second = tally.start(of: 2)
        #expect(!second)
    }
}

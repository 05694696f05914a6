import Mesh
import RegistryModel
import TestSupport
import Testing

@testable import Dashboard

@Suite("What sidecars tell, added up")
struct TrafficReportTests {
    private static func status(_ service: String, _ id: String, upstreams: String = "") throws -> SidecarStatus {
        try SidecarStatus(
            parsing: Array(
                """
                {"service":"\(service)","id":"\(id)","version":"1","health":"healthy","registry_connected":true,
                 "started_at":"2026-11-24T14:05:12.000Z","new_in_a_later_version":[1],"upstreams":[\(upstreams)]}
                """.utf8
            )
        )
    }

    private static func upstream(_ service: String, _ more: String = "") -> String {
        #"{"service":"\#(service)","known":true,"usable":1,"total":2,"in_flight":0\#(more),"instances":[]}"#
    }

    /// Ten seconds of calls.
    private static func recent(_ page: String) -> (counters: MetricsReading, seconds: Double) {
        (MetricsReading(page), 10)
    }

    private static func document(_ report: TrafficReport) throws -> JSONValue {
        var json = JSONWriter()
        report.write(to: &json)
        return try JSONValue(parsing: json.bytes)
    }

    private static func entry(_ document: JSONValue, _ list: String, _ key: String, _ value: String) -> JSONValue? {
        document[list]?.elements.first { $0[key]?.text == value }
    }

    @Test("callers of a service are added up; its breaker is open where one of them says so")
    func sums() throws {
        let calls = #"hms_mesh_requests_total{direction="outbound",service="identity",status="2xx"} "#
        let failures = #"hms_mesh_requests_total{direction="outbound",service="identity",status="5xx"} "#
        let report = TrafficReport([
            .init(
                status: try Self.status("web", "1", upstreams: Self.upstream("identity")),
                recent: Self.recent(calls + "90\n" + failures + "10\n")
            ),
            .init(
                status: try Self.status(
                    "photo",
                    "1",
                    upstreams: Self.upstream("identity", #","breaker_open_ms":22000"#)
                ),
                recent: Self.recent(calls + "100\n")
            ),
        ])
        let document = try Self.document(report)
        let identity = Self.entry(document, "services", "n", "identity")
        #expect(identity?["r"]?.number == 20)
        #expect(identity?["ok"]?.number == 0.95)
        #expect(identity?["open"]?.number == 22_000)
        #expect(identity?["by"]?.text == "callers")
        #expect(Self.entry(document, "edges", "f", "web")?["ok"]?.number == 0.9)
        #expect(Self.entry(document, "edges", "f", "photo")?["ok"]?.number == 1)
        #expect(report.pulse["identity"] == 20)
    }

    @Test("a figure that nobody told is left out, not told as 0")
    func untold() throws {
        let document = try Self.document(
            TrafficReport(
                [.init(status: try Self.status("web", "1", upstreams: Self.upstream("identity")), recent: nil)],
                leftOut: 3
            )
        )
        for entry in [Self.entry(document, "services", "n", "identity"), document["edges"]?.elements.first] {
            for figure in ["r", "ok", "rt", "p50", "p99"] { #expect(entry?[figure] == nil, "\(figure)") }
        }
        #expect(Self.entry(document, "services", "n", "web") == nil)
        #expect(document["leftOut"]?.number == 3)
    }

    @Test("a sidecar elsewhere that does not answer is told with its reason, and adds to no figure")
    func silent() throws {
        let key = InstanceKey(service: try ServiceName("identity"), id: try InstanceID("9"))
        let report = TrafficReport(
            [.init(status: try Self.status("web", "1"), recent: nil, isRemote: true)],
            silent: [TrafficReport.Silent(key: key, reason: "connection refused")]
        )
        let document = try Self.document(report)
        #expect(document["silent"]?.elements.first?["why"]?.text == "connection refused")
        #expect(document["silent"]?.elements.first?["id"]?.text == "9")
        #expect(document["sidecars"]?.elements.map { $0["remote"] } == [.bool(true)])
        #expect(document["services"]?.elements.isEmpty == true)
    }

    @Test("a service that nobody here calls is told of by its own sidecars")
    func byItself() throws {
        let report = TrafficReport([
            .init(
                status: try Self.status("identity", "1"),
                recent: Self.recent(#"hms_mesh_requests_total{direction="inbound",service="identity",status="2xx"} 50"#)
            )
        ])
        let identity = Self.entry(try Self.document(report), "services", "n", "identity")
        #expect(identity?["by"]?.text == "itself")
        #expect(identity?["r"]?.number == 5)
        #expect(report.pulse.isEmpty)
    }
}

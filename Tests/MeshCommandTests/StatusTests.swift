import Glibc
import Mesh
import RegistryModel
import Terminal
import TestSupport
import Testing

@testable import hms_mesh

@Suite("hms-mesh status")
struct StatusTests {
    private static let screen = StatusScreen(Style(isColored: false), .unicode)

    private func status(_ members: String = "", upstreams: String = "") throws -> SidecarStatus {
        let text = """
            {"service":"photo-validator","id":"ws14-7000","health":"healthy","inbound":"10.1.3.4:17000",\
            "outbound":"127.0.0.1:41877","application_port":7000,"sequence":48213,"registry_connected":true,\
            "started_at":"2026-11-24T12:00:00Z","time":"2026-11-24T14:14:00Z",\
            "certificate_not_after":"2026-11-25T01:54:00Z"\(members),"upstreams":[\(upstreams)]}
            """
        return try SidecarStatus(parsing: Array(text.utf8))
    }

    @Test("what it is, where it listens, and each service that it calls with its last ten seconds")
    func picture() throws {
        let upstreams = """
            {"service":"identity-check","usable":2,"total":3,"recent":{"seconds":10.0,"requests":412,"succeeded":412,\
            "retried":8,"p50_us":9800,"p99_us":24000},"instances":[]},\
            {"service":"idle","usable":1,"total":1,"recent":{"seconds":10.0,"requests":0,"succeeded":0,"retried":0},\
            "instances":[]},\
            {"service":"payment-gateway","usable":1,"total":2,"recent":{"seconds":10.0,"requests":1000,"succeeded":914,\
            "retried":200,"p50_us":14100,"p99_us":790200},"instances":[{"id":"a","ejected_ms":21700},{"id":"b"}]}
            """
        #expect(
            Self.screen.picture(of: try status(upstreams: upstreams)) == """
                photo-validator/ws14-7000  healthy · up 2h14m · registry connected, view 48213
                inbound 10.1.3.4:17000 → 127.0.0.1:7000     outbound 127.0.0.1:41877     mtls=on

                UPSTREAM         USABLE  REQ/S  SUCCESS     P50      P99  RETRIED  BREAKER
                identity-check      2/3   41.2  100.00%   9.8ms   24.0ms     1.9%  closed
                idle                1/1    0.0        -       -        -        -  closed
                payment-gateway     1/2  100.0   91.40%  14.1ms  790.2ms    20.0%  1 open, 22s

                """
        )
    }

    @Test("without the registry it says since when, what goes on, and how long the certificate lasts")
    func unreachable() throws {
        let lost = try status(#","registry_lost_since":"2026-11-24T14:10:50Z""#)
        let text = Self.screen.picture(of: try disconnected(lost))
        #expect(
            text.hasPrefix(
                """
                photo-validator/ws14-7000  healthy · registry UNREACHABLE for 3m10s
                ⚠ routing goes on from the view of 48213 (3m10s old); certificate good for 11h40m

                """
            )
        )
    }

    private func disconnected(_ status: SidecarStatus) throws -> SidecarStatus {
        let text = String(decoding: status.document, as: UTF8.self)
            .replacing(#""registry_connected":true"#, with: #""registry_connected":false"#)
        return try SidecarStatus(parsing: Array(text.utf8))
    }

    @Test("each rule of a service with who said it")
    func policy() throws {
        let status = try status(
            upstreams: """
                {"service":"pay","rules":{"retries":{"value":2,"source":"registry"},\
                "timeout_ms":{"value":800,"source":"mesh"},"per_try_timeout_ms":{"value":300,"source":"upstream"}}}
                """
        )
        let upstream = try #require(status.upstreams.first)
        #expect(
            Self.screen.policy(status, upstream) == """
                photo-validator/ws14-7000 → pay
                RULE             VALUE  FROM
                retries              2  the registry's policy for pay
                timeout          800ms  mesh: in the caller's hms.yml
                per try timeout  300ms  mesh.upstreams.pay in the caller's hms.yml

                """
        )
        let json = try JSONValue(parsing: Array(StatusScreen.json([(status, upstream)]).utf8))
        #expect(json.elements.first?["rules"]?["timeout_ms"]?["value"] == .number(800))
    }

    @Test("the whole service's breaker goes before those of its instances")
    func breakers() {
        var upstream = SidecarStatus.Upstream()
        #expect(StatusScreen.breaker(upstream) == nil)
        var ejected = SidecarStatus.Instance()
        ejected.ejectedMilliseconds = 4_100
        upstream.instances = [ejected]
        #expect(StatusScreen.breaker(upstream) == "1 open, 5s")
        upstream.breakerOpenMilliseconds = 61_000
        #expect(StatusScreen.breaker(upstream) == "open since 1m1s")
    }
}

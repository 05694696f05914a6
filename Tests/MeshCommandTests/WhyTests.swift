import RegistryClient
import RegistryModel
import TestSupport
import Testing

@testable import hms_mesh

@Suite("hms-mesh why")
struct WhyTests {
    private static let trace = "4bf92f3577b34da6a3ce929d0e0e4736"

    private static let line = """
        {"time":"2026-11-24T14:05:12.481Z","direction":"outbound","from":"photo-validator","to":"identity-check",\
        "method":"POST","path":"/validate","status":200,"duration_us":18300,"max_tries":3,"tries":[\
        {"instance":"a","failed":"refused","delivered":"no","duration_us":400,"message":"connection refused"},\
        {"instance":"b","status":503,"duration_us":900},{"instance":"a","status":200,"duration_us":11800}],\
        "trace":"4bf92f3577b34da6a3ce929d0e0e4736","sequence":48148,"usable":3,"candidates":5,\
        "left_out":[{"instance":"c","why":"ejected: 5 failures in a row"},{"instance":"gone","why":"refusing: reset"}],\
        "mtls":"on"}
        """

    private func instance(_ id: String, _ status: String, weight: Int = 100) throws -> RegisteredInstance {
        let text = """
            {"id":"\(id)","ip":"10.0.0.1","port":17000,"handle":1,"status":"\(status)","cause":"reported",\
            "weight":\(weight),"sequence":7}
            """
        return try JSONReader.parse(Array(text.utf8)) { (json) throws(RegistryModelError) in
            try RegisteredInstance(service: try ServiceName("identity-check"), from: &json)
        }
    }

    @Test("each instance once: tried, then could have been, then left out, each with its reason")
    func rows() throws {
        let line = try #require(AccessLine(Array(Self.line.utf8)[...]))
        let report = WhyReport(
            line: line,
            document: Array(Self.line.utf8),
            instances: try [
                instance("c", "healthy"), instance("a", "healthy"), instance("b", "degraded"), instance("d", "healthy"),
                instance("e", "draining"), instance("f", "healthy", weight: 0),
            ]
        )
        #expect(
            report.rows.map { "\($0.instance) \($0.health) [\($0.tries)] \($0.why)" } == [
                "a healthy [1, 3] refused after 0.4ms: connection refused (not sent); 200 after 11.8ms",
                "b degraded [2] 503 after 0.9ms", "d healthy [] could have been picked",
                "c healthy [] left out by this sidecar: ejected: 5 failures in a row",
                "e draining [] draining in the registry (reported, 7)", "f healthy [] weight 0",
                "gone - [] left out by this sidecar: refusing: reset",
            ]
        )
    }

    @Test("without the registry the line alone tells what was tried and left out")
    func withoutRegistry() throws {
        let line = try #require(AccessLine(Array(Self.line.utf8)[...]))
        let report = WhyReport(line: line, document: [], instances: nil)
        #expect(report.rows.map(\.instance) == ["a", "b", "c", "gone"])
        #expect(report.rows.allSatisfy { $0.health == "-" })
    }

    @Test("lines of one trace are found in every sidecar's log, the rotated one too, in the order of time")
    func search() throws {
        try withTemporaryDirectory { state in
            let later = Self.line.replacing("14:05:12.481Z", with: "14:05:13.000Z")
            let other = Self.line.replacing(Self.trace, with: "0bf92f3577b34da6a3ce929d0e0e4736")
            for (folder, name, text) in [
                ("a/1", "access.log", "\(other)\n\(later)\n\(other)\n"),
                ("a/1", "access.log.1", "no line\n\(Self.line)\n"),
                ("b/2", "access.log", other + "\n"),
            ] {
                _ = try runShell("mkdir -p '\(state)/sidecars/\(folder)'")
                try writeFile("\(state)/sidecars/\(folder)/\(name)", Array(text.utf8))
            }
            let hits = AccessLogSearch(stateDirectory: state).lines(trace: Self.trace)
            #expect(hits.map { String(decoding: $0.document, as: UTF8.self) } == [Self.line, later])
            #expect(AccessLogSearch(stateDirectory: state + "/nowhere").lines(trace: Self.trace).isEmpty)
        }
    }

    @Test("a trace id or a whole traceparent name a request, nothing else")
    func traces() {
        #expect(WhyCommand.traceID(Self.trace.uppercased()) == Self.trace)
        #expect(WhyCommand.traceID("00-\(Self.trace)-00f067aa0ba902b7-01") == Self.trace)
        for text in ["", "4bf9", Self.trace + "0", "zbf92f3577b34da6a3ce929d0e0e4736", "00-\(Self.trace)"] {
            #expect(WhyCommand.traceID(text) == nil)
        }
    }
}

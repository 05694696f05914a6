import Glibc
import Mesh
import NIOCore
import TestSupport
import Testing

/// Spans to an OpenTelemetry collector, beside real sidecars.
@Suite("Mesh tracing")
struct MeshTracingTests {
    private struct Span {
        let service: String
        let json: JSONValue

        var kind: Double { json["kind"]?.number ?? 0 }
        var id: String { json["spanId"]?.text ?? "" }
        var parent: String? { json["parentSpanId"]?.text }
    }

    private func spans(_ collector: TestApplication, trace: String) throws -> [Span] {
        var spans: [Span] = []
        for request in collector.received where request.path == "/v1/traces" {
            for resource in try JSONValue(parsing: request.body)["resourceSpans"]?.elements ?? [] {
                let name = resource["resource"]?["attributes"]?.elements.first { $0["key"]?.text == "service.name" }
                for scope in resource["scopeSpans"]?.elements ?? [] {
                    spans += (scope["spans"]?.elements ?? []).filter { $0["traceId"]?.text == trace }.map {
                        Span(service: name?["value"]?["stringValue"]?.text ?? "", json: $0)
                    }
                }
            }
        }
        return spans
    }

    @Test("call, try and what came in are one chain, from the caller's span to the one that the application gets")
    func chain() async throws {
        try await MeshFleet.run { fleet in
            let collector = try await TestApplication.start("collector", .answer)
            let variables = [
                "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:\(collector.port)", "OTEL_BSP_SCHEDULE_DELAY": "50",
            ]
            let app = try await TestApplication.start("a", .answer)
            _ = try await fleet.sidecar("identity-check", port: app.port, environment: variables)
            try await fleet.awaitRoutable("identity-check", "a")
            let caller = try await fleet.sidecar("passport-office", environment: variables)
            let trace = "4bf92f3577b34da6a3ce929d0e0e4736"
            let parent = "00f067aa0ba902b7"
            let answer = try await caller.call(
                "identity-check",
                "GET",
                "/validate",
                headers: [("traceparent", "00-\(trace)-\(parent)-01")]
            )
            #expect(answer.status == 200)
            try await eventually("three spans") { try spans(collector, trace: trace).count == 3 }
            let found = try spans(collector, trace: trace)
            let call = try #require(found.first { $0.kind == 1 })
            let attempt = try #require(found.first { $0.kind == 3 })
            let arrival = try #require(found.first { $0.kind == 2 })
            #expect(call.parent == parent && call.service == "passport-office")
            #expect(attempt.parent == call.id)
            #expect(arrival.parent == attempt.id && arrival.service == "identity-check")
            let got = try #require(app.received.last { $0.path == "/validate" })
            #expect(got.values("traceparent") == ["00-\(trace)-\(arrival.id)-01"])

            // Whoever began a trace and does not want it kept is obeyed.
            let unsampled = "0af7651916cd43dd8448eb211c80319c"
            let header = "00-\(unsampled)-\(parent)-00"
            _ = try await caller.call("identity-check", "GET", "/quiet", headers: [("traceparent", header)])
            let quiet = try #require(app.received.last { $0.path == "/quiet" })
            #expect(quiet.values("traceparent") == [header])
            _ = try await caller.call(
                "identity-check",
                "GET",
                "/last",
                headers: [("traceparent", "00-\(trace)-\(parent)-01")]
            )
            try await eventually("the spans of a later call") { try spans(collector, trace: trace).count == 6 }
            #expect(try spans(collector, trace: unsampled).isEmpty)
        }
    }

    @Test("a collector that hangs costs no call anything, and without one nothing is asked of anybody")
    func absent() async throws {
        try await MeshFleet.run { fleet in
            let collector = try await TestApplication.start("collector", .hang)
            _ = try await fleet.instance("identity-check")
            let variables = [
                "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:\(collector.port)", "OTEL_BSP_SCHEDULE_DELAY": "20",
            ]
            let caller = try await fleet.sidecar("passport-office", environment: variables)
            let plain = try await fleet.sidecar("plain-office")
            for _ in 0..<20 {
                #expect(try await caller.call("identity-check").status == 200)
                #expect(try await plain.call("identity-check").status == 200)
            }
            try await eventually("the collector to be asked") { !collector.received.isEmpty }
            #expect(collector.received.count == 1)
        }
    }
}

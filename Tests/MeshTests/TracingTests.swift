import NIOCore
import NIOPosix
import RegistryModel
import TestSupport
import Testing

@testable import Mesh

@Suite("Tracing")
struct TracingTests {
    private static let trace = "4bf92f3577b34da6a3ce929d0e0e4736"

    private func environment(_ variables: [String: String]) -> (String) -> String? {
        { variables[$0] }
    }

    @Test("where spans go is what OpenTelemetry's variables say")
    func configuration() throws {
        #expect(try TracingConfiguration(environment: environment([:])) == nil)
        let plain = try #require(
            try TracingConfiguration(
                environment: environment([
                    "OTEL_EXPORTER_OTLP_ENDPOINT": "http://localhost:4318",
                    "OTEL_EXPORTER_OTLP_HEADERS": "api-key=a%20b, x-tenant=7,broken,bad name=1",
                    "OTEL_BSP_SCHEDULE_DELAY": "100",
                ])
            )
        )
        #expect((plain.host, plain.port, plain.isTLS, plain.path) == ("localhost", 4_318, false, "/v1/traces"))
        #expect(plain.headers == [.init(name: "api-key", value: "a b"), .init(name: "x-tenant", value: "7")])
        #expect(plain.interval == .milliseconds(100))
        let below = try TracingConfiguration(
            environment: environment(["OTEL_EXPORTER_OTLP_ENDPOINT": "https://[2001:db8::1]/otlp/"])
        )
        #expect(below?.host == "2001:db8::1")
        #expect(below?.port == 443)
        #expect(below?.path == "/otlp/v1/traces")
        let whole = try TracingConfiguration(
            environment: environment([
                "OTEL_EXPORTER_OTLP_ENDPOINT": "http://a", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://b:1/x",
            ])
        )
        #expect(whole?.host == "b" && whole?.path == "/x")
        for variables in [
            ["OTEL_EXPORTER_OTLP_ENDPOINT": "http://a", "OTEL_SDK_DISABLED": "true"],
            ["OTEL_EXPORTER_OTLP_ENDPOINT": "http://a", "OTEL_TRACES_EXPORTER": "none"],
            ["OTEL_EXPORTER_OTLP_ENDPOINT": ""],
        ] {
            #expect(try TracingConfiguration(environment: environment(variables)) == nil)
        }
        for url in [
            "localhost:4318", "ftp://a", "http://", "http://a:0", "http://a:x", "http://user:pw@a", "http://a/b c",
        ] {
            #expect(throws: SidecarError.self, "\(url)") {
                try TracingConfiguration(environment: environment(["OTEL_EXPORTER_OTLP_ENDPOINT": url]))
            }
        }
    }

    private func record(_ tries: [TryRecord], error: String? = nil) -> AccessRecord {
        var generator = SeededGenerator(seed: 1)
        return AccessRecord(
            direction: .outbound,
            time: Timestamp(rawValue: 1_700_000_000_000_000_000),
            from: "photo-validator",
            to: "identity-check",
            method: "POST",
            path: "/validate",
            status: 200,
            error: error,
            hint: nil,
            tries: tries,
            mostTries: 3,
            received: 0,
            sent: 0,
            took: .milliseconds(20),
            body: .milliseconds(1),
            timeout: .seconds(15),
            traceID: TraceID(high: 0x4bf9_2f35_77b3_4da6, low: 0xa3ce_929d_0e0e_4736),
            span: SpanPlace(own: SpanID(using: &generator), parent: SpanID(hexadecimal: "00f067aa0ba902b7".utf8)),
            sequence: SequenceNumber(48_148),
            isMutualTLS: true,
            isTLS: true
        )
    }

    private func attempt(_ result: TryResult, at: TimeAmount, took: TimeAmount, seed: UInt64) throws -> TryRecord {
        var generator = SeededGenerator(seed: seed)
        return TryRecord(
            instance: "ws14-7001",
            endpoint: try Endpoint(host: "10.0.0.1", port: 17_001),
            span: SpanID(using: &generator),
            result: result,
            delivered: nil,
            at: at,
            took: took,
            queue: nil,
            connect: nil,
            tls: nil,
            isReused: true,
            message: nil
        )
    }

    @Test(
        "a call is a span below its caller's, each try a client's span below the call, with its own times and its failure"
    )
    func spans() throws {
        let record = record([
            try attempt(.failed("refused"), at: .zero, took: .milliseconds(1), seed: 2),
            try attempt(.status(200), at: .milliseconds(6), took: .milliseconds(12), seed: 3),
        ])
        let batch = SpanBatch(
            resource: SpanBatch.Resource(service: "photo-validator", instance: "a", version: "1", programVersion: "1.0")
        )
        let json = try JSONValue(parsing: batch.json([record]))
        let resource = try #require(json["resourceSpans"]?.elements.first)
        #expect(attribute("service.name", of: resource["resource"]) == "photo-validator")
        let spans = try #require(resource["scopeSpans"]?.elements.first?["spans"]?.elements)
        #expect(spans.map { $0["name"]?.text } == ["POST identity-check", "POST", "POST"])
        #expect(spans.map { $0["kind"]?.number } == [1, 3, 3])
        #expect(spans.allSatisfy { $0["traceId"]?.text == Self.trace && $0["spanId"]?.text?.count == 16 })
        #expect(spans[0]["parentSpanId"]?.text == "00f067aa0ba902b7")
        #expect(spans[1]["parentSpanId"] == spans[0]["spanId"])
        #expect(spans[2]["parentSpanId"] == spans[0]["spanId"])
        #expect(spans[2]["startTimeUnixNano"]?.text == "1700000000006000000")
        #expect(spans[2]["endTimeUnixNano"]?.text == "1700000000019000000")
        #expect(attribute("error.type", of: spans[1]) == "refused")
        #expect(spans[1]["status"]?["code"] == .number(2))
        #expect(attribute("http.request.resend_count", of: spans[2]) == "1")
        #expect(attribute("server.address", of: spans[2]) == "10.0.0.1")
        #expect(attribute("http.response.status_code", of: spans[2]) == "200")
        #expect(spans[2]["status"] == nil)
    }

    private func attribute(_ key: String, of span: JSONValue?) -> String? {
        let value = span?["attributes"]?.elements.first { $0["key"]?.text == key }?["value"]
        return value?["stringValue"]?.text ?? value?["intValue"]?.text
    }

    @Test("with a collector that is away, what waits is bounded, and what is dropped is counted")
    func bounded() async throws {
        var configuration = try #require(
            try TracingConfiguration(environment: environment(["OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1"]))
        )
        configuration.queueSize = 10
        let exporter = SpanExporter(
            configuration,
            resource: SpanBatch.Resource(service: "a", instance: "a", version: "", programVersion: ""),
            loop: MultiThreadedEventLoopGroup.singleton.next()
        )
        let record = record([])
        for _ in 0..<25 { exporter.offer(record) }
        #expect(exporter.counts == (0, 15))
        await exporter.finish()
        #expect(exporter.counts == (0, 25))
    }

    @Test("what goes on names the span that it is part of; without spans the caller's own word goes on")
    func context() throws {
        var generator = SeededGenerator(seed: 4)
        let value = "00-\(Self.trace)-00f067aa0ba902b7-01"
        let sampled = TraceContext(head(value), using: &generator, isTraced: true)
        #expect(sampled.traceID.description == Self.trace)
        #expect(sampled.parentSpan?.description == "00f067aa0ba902b7" && sampled.isSampled)
        let span = SpanID(using: &generator)
        #expect(sampled.field(span: span)?.description == "00-\(Self.trace)-\(span)-01")
        #expect(sampled.field(span: nil) == nil)
        #expect(
            !TraceContext(head("00-\(Self.trace)-00f067aa0ba902b7-00"), using: &generator, isTraced: true).isSampled
        )
        for malformed in ["", "00-\(Self.trace)", "00-\(Self.trace.uppercased())-00f067aa0ba902b7-01"] {
            let own = TraceContext(head(malformed), using: &generator, isTraced: true)
            #expect(own.traceID.description != Self.trace && own.parentSpan == nil && own.isSampled)
            #expect(own.field(span: nil)?.description.hasSuffix("-00") == true)
        }
    }

    private func head(_ traceparent: String) -> RequestHead {
        var head = RequestHead(method: "GET", target: "/", fields: [], bodyBytes: 0)
        head.block.append("traceparent", traceparent, .traceparent)
        return head
    }
}

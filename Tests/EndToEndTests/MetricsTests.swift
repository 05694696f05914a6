import Foundation
import TestSupport
import Testing

/// What scrapers get of a registry and its sidecars, and what is made of it: alerts, a dashboard.
@Suite("Metrics for Prometheus")
struct MetricsTests {
    private static let prometheus = "/usr/bin/prometheus"
    private static let promtool = "/usr/bin/promtool"

    static var hasPrometheus: Bool {
        [prometheus, promtool].allSatisfy { FileManager.default.isExecutableFile(atPath: $0) }
    }

    @Test("every metric that an alert or the dashboard speaks of is one that is served")
    func everyMetricExists() async throws {
        try await withFleet { fleet in
            let served = Set((fleet.registryPage + fleet.sidecarPage).split(separator: "\n").compactMap(Self.typedName))
            for file in ["prometheus/hms-alerts.yml", "grafana/hms.json"] {
                let text = String(decoding: try readFile("\(packageDirectory)/fixtures/\(file)"), as: UTF8.self)
                let spoken = Self.metricNames(in: text)
                #expect(spoken.count > 10, "\(file)")
                #expect(spoken.subtracting(served).isEmpty, "\(file) speaks of what nobody serves")
            }
        }
    }

    @Test("each metric has one HELP and TYPE before its samples, and no sample stands twice")
    func form() async throws {
        try await withFleet { fleet in
            for page in [fleet.registryPage, fleet.sidecarPage] {
                var known: Set<String> = []
                var samples: Set<Substring> = []
                var current = ""
                for line in page.split(separator: "\n") {
                    if let name = Self.typedName(line) {
                        #expect(known.insert(name).inserted, "\(name) is described twice")
                        current = name
                    } else if !line.hasPrefix("#") {
                        let name = line.prefix { $0 != "{" && $0 != " " }
                        #expect(Self.family(of: String(name)) == Self.family(of: current), "\(line)")
                        #expect(samples.insert(line.prefix { $0 != " " }).inserted, "\(line)")
                    }
                }
                for name in ["hms_build_info", "process_resident_memory_bytes", "process_cpu_seconds_total"] {
                    #expect(known.contains(name))
                }
            }
            let line = #"hms_mesh_requests_total{direction="outbound",service="identity-check",status="2xx"} 3"#
            #expect(fleet.sidecarPage.contains(line + "\n"))
            #expect(fleet.sidecarPage.contains(#"hms_mesh_pool_connections{state="idle"} 1"# + "\n"))
            #expect(
                fleet.sidecarPage.contains(
                    #"hms_mesh_tls_handshakes_total{direction="outbound",result="done"} 1"# + "\n"
                )
            )
        }
    }

    @Test("the registry names the sidecars that have metrics, sick ones too, and no others")
    func targets() async throws {
        try await withFleet { fleet in
            let put = #"{"ip":"10.0.0.1","port":1,"status":"unhealthy","metadata":{"hms-metrics":"10.0.0.1:9"}}"#
            _ = try fleet.fleet.registry.request("PUT", "/v1/services/sick/instances/1", put)
            let answer = try fleet.fleet.registry.request("GET", "/v1/targets").body
            let groups = try JSONValue(parsing: Array(answer.utf8)).elements
            #expect(
                groups.compactMap { $0["labels"]?["workload"]?.text } == ["identity-check", "passport-office", "sick"]
            )
            #expect(groups.last?["targets"]?.elements.compactMap(\.text) == ["10.0.0.1:9"])
            #expect(groups.last?["labels"]?["__meta_hms_status"]?.text == "unhealthy")
        }
    }

    @Test(
        "promtool finds nothing to say of the metrics and the alerts, and the alerts fire when they should",
        .enabled(if: hasPrometheus, "Debian's package prometheus is not installed")
    )
    func promtool() async throws {
        try await withFleet { fleet in
            for page in [fleet.registryPage, fleet.sidecarPage] {
                let checked = try await Program.run(Self.promtool, ["check", "metrics"], input: page)
                #expect(checked.exitCode == 0 && checked.errors.isEmpty, "\(checked.output)\(checked.errors)")
            }
        }
        let folder = packageDirectory + "/fixtures/prometheus"
        for arguments in [
            ["check", "rules", "hms-alerts.yml"], ["test", "rules", "hms-alerts-test.yml"],
            ["check", "config", "prometheus.yml"],
        ] {
            let checked = try await Program.run(Self.promtool, arguments, in: folder)
            #expect(checked.exitCode == 0, "\(checked.output)\(checked.errors)")
        }
    }

    @Test(
        "Prometheus finds the sidecars by the registry, and scrapes both",
        .enabled(if: hasPrometheus, "Debian's package prometheus is not installed")
    )
    func scraping() async throws {
        try await withFleet { fleet in
            let folder = fleet.fleet.directory + "/prometheus"
            try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
            let given = String(
                decoding: try readFile(packageDirectory + "/fixtures/prometheus/prometheus.yml"),
                as: UTF8.self
            )
            let text = given.replacing("reg.gov.local:9100", with: fleet.metricsAddress).replacing("15s", with: "1s")
                .replacing("hms-alerts.yml", with: packageDirectory + "/fixtures/prometheus/hms-alerts.yml")
            try writeFile(folder + "/prometheus.yml", Array(text.utf8))
            let port = try await MeshFleet.freePort()
            let server = try RunningProgram(
                Self.prometheus,
                [
                    "--config.file=\(folder)/prometheus.yml", "--storage.tsdb.path=\(folder)/data",
                    "--web.listen-address=127.0.0.1:\(port)",
                ],
                logTo: folder,
                label: "prometheus"
            )
            try await eventually("three targets that answer") {
                await Self.answer("count(up == 1)", port) == "3" || !server.isRunning
            }
            #expect(server.isRunning, "\(server.errors)")
            let calls = #"sum(hms_mesh_requests_total{workload="passport-office",service="identity-check"})"#
            try await eventually("the caller's calls") { await Self.answer(calls, port) == "3" }
            #expect(await Self.answer(#"hms_reg_instances{job="hms-reg",health="healthy"}"#, port) == "1")
            try await server.end()
        }
    }

    // MARK: What is looked at

    private struct Scraped {
        var fleet: MeshFleet
        var metricsAddress: String
        var registryPage: String
        var sidecarPage: String
    }

    /// A registry and two sidecars after three calls.
    private func withFleet(_ body: (Scraped) async throws -> Void) async throws {
        let port = try await MeshFleet.freePort()
        try await MeshFleet.run(["--metrics-listen", "127.0.0.1:\(port)"]) { fleet in
            let app = try await TestApplication.start("a", .answer)
            _ = try await fleet.sidecar(
                "identity-check",
                port: app.port,
                options: ["--admin-listen", "127.0.0.1:0"]
            )
            try await fleet.awaitRoutable("identity-check", "a")
            let caller = try await fleet.sidecar("passport-office", options: ["--admin-listen", "127.0.0.1:0"])
            for _ in 0..<3 { _ = try await caller.call("identity-check") }
            try await eventually("both to be registered") {
                try fleet.registry.request("GET", "/v1/targets").body.contains("passport-office")
            }
            let targets = try JSONValue(parsing: Array(fleet.registry.request("GET", "/v1/targets").body.utf8)).elements
            let office = targets.first { $0["labels"]?["workload"]?.text == "passport-office" }
            let address = try #require(office?["targets"]?.elements.first?.text)
            try await body(
                Scraped(
                    fleet: fleet,
                    metricsAddress: "127.0.0.1:\(port)",
                    registryPage: try await Self.page("127.0.0.1:\(port)"),
                    sidecarPage: try await Self.page(address)
                )
            )
        }
    }

    private static func page(_ address: String) async throws -> String {
        let result = try await Program.run("/usr/bin/curl", ["-sSf", "http://\(address)/metrics"])
        try #require(result.exitCode == 0, "\(result.errors)")
        return result.output
    }

    /// The one value of a query; nil where there is none.
    private static func answer(_ query: String, _ port: Int) async -> String? {
        let asked = try? await Program.run(
            "/usr/bin/curl",
            ["-sS", "--data-urlencode", "query=\(query)", "http://127.0.0.1:\(port)/api/v1/query"]
        )
        guard let document = asked.flatMap({ try? JSONValue(parsing: Array($0.output.utf8)) }) else { return nil }
        return document["data"]?["result"]?.elements.first?["value"]?.elements.last?.text
    }

    /// Of a `# TYPE` line.
    private static func typedName(_ line: Substring) -> String? {
        let words = line.split(separator: " ")
        guard words.count == 4, words[0] == "#", words[1] == "TYPE" else { return nil }
        return String(words[2])
    }

    private static func family(of sample: String) -> String {
        for ending in ["_bucket", "_sum", "_count"] where sample.hasSuffix(ending) {
            return String(sample.dropLast(ending.count))
        }
        return sample
    }

    private static func metricNames(in text: String) -> Set<String> {
        let words = text.split { !($0.isLetter || $0.isNumber || $0 == "_") }.map(String.init)
        let names = words.filter { word in
            ["hms_mesh_", "hms_reg_", "hms_cert_", "hms_build_", "process_"].contains { word.hasPrefix($0) }
        }
        return Set(names.map(family))
    }
}

import Foundation
import RegistryModel
import TestSupport
import Testing

/// `hms-mesh dashboard` by its bytes, beside a real registry.
@Suite("The dashboard")
struct MeshDashboardTests {
    /// A dashboard on a port that it chose itself.
    private struct Page {
        let program: RunningProgram
        let port: UInt16

        static func start(_ fleet: MeshFleet) async throws -> Page {
            let program = try RunningProgram(
                "hms-mesh",
                [
                    "dashboard", "--registry", "unix:\(fleet.registry.socket)", "--listen", "127.0.0.1:0", "--no-open",
                ],
                environment: [
                    "XDG_STATE_HOME": fleet.directory + "/state", "XDG_RUNTIME_DIR": fleet.directory + "/run",
                ],
                logTo: fleet.directory,
                label: "dashboard"
            )
            try await eventually("the dashboard's line") { program.output.contains("\n") || !program.isRunning }
            let address = program.output.split(separator: " ").last?.split(separator: ":").last ?? ""
            guard let port = UInt16(address.filter(\.isNumber)) else {
                throw TimedOut(description: "no dashboard: \(program.output) \(program.errors)")
            }
            return Page(program: program, port: port)
        }

        func get(_ path: String, host: String = "localhost", headers: String = "") throws -> RawAnswer {
            let wire = try Wire(port: port)
            try wire.send("GET \(path) HTTP/1.1\r\nhost: \(host)\r\nconnection: close\r\n\(headers)\r\n")
            return RawAnswer(text: try wire.readToEnd())
        }

        /// The next news of an open stream.
        static func news(_ wire: Wire) throws -> JSONValue {
            let event = try wire.read(to: "\n\n")
            guard let data = event.firstRange(of: "data: ") else { return try news(wire) }
            return try JSONValue(parsing: Array(event[data.upperBound...].utf8.dropLast(2)))
        }

        /// Reads news until one has a row of this service.
        static func row(of service: String, _ wire: Wire) throws -> JSONValue {
            while true {
                let news = try news(wire)
                if let row = news["rows"]?.elements.first(where: { $0["n"]?.text == service }) { return row }
            }
        }
    }

    @Test("the whole state, then what changes, pushed; the past by question; other hosts and sites refused")
    func byItsBytes() async throws {
        try await MeshFleet.run { fleet in
            _ = try fleet.registry.request(
                "PUT",
                "/v1/services/identity-check/instances/a",
                #"{"ip":"10.0.0.1","port":1,"status":"healthy","ttlMs":null,"metadata":{"note":"<script>"}}"#
            )
            let page = try await Page.start(fleet)
            let home = try page.get("/")
            #expect(home.status == 200)
            #expect(home.header("content-security-policy")?.hasPrefix("default-src 'self'") == true)
            #expect(try page.get("/", host: "evil.example").status == 421)
            #expect(try page.get("/api/about", headers: "sec-fetch-site: cross-site\r\n").status == 403)
            #expect(try page.get("/nothing").status == 404)

            let wire = try Wire(port: page.port)
            try wire.send("GET /api/stream HTTP/1.1\r\nhost: 127.0.0.1:\(page.port)\r\n\r\n")
            let first = try Page.row(of: "identity-check", wire)
            #expect(first["s"]?.elements.map(\.number) == [0, 1, 0, 0, 0])
            let before = fleet.registry.sequence
            _ = try fleet.registry.request(
                "POST",
                "/v1/heartbeats",
                #"[{"service":"identity-check","id":"a","status":"unhealthy"}]"#
            )
            let second = try Page.row(of: "identity-check", wire)
            #expect(second["s"]?.elements.map(\.number) == [0, 0, 0, 1, 0])

            let past = try JSONValue(parsing: Array(try page.get("/api/past?at=\(before)").body.utf8))
            #expect(past["sequence"]?.number == Double(before))
            #expect(past["rows"]?.elements.first?["s"]?.elements.map(\.number) == [0, 1, 0, 0, 0])
            let timeline = try JSONValue(parsing: Array(try page.get("/api/timeline?steps=1").body.utf8))
            #expect(timeline["steps"]?.elements.first?["registered"]?.number == 1)
            #expect(timeline["steps"]?.elements.first?["worse"]?.number == 1)
            let document = try page.get("/api/service/identity-check").body
            #expect(document.contains(#""metadata":{"note":"<script>"}"#))
            #expect(try page.get("/api/search?q=10.0.0.1").body == #"{"names":["identity-check"]}"#)
            #expect(try page.get("/api/history/identity-check/a").body.contains(#""kind":"health_changed""#))
            #expect(try page.get("/api/service/nobody").status == 404)

            let other = try await Program.run(
                "hms-mesh",
                ["dashboard", "--registry", "unix:\(fleet.registry.socket)", "--listen", "127.0.0.1:\(page.port)"]
            )
            #expect(other.exitCode == 1)
            #expect(other.errors.contains("Your dashboard runs already: http://127.0.0.1:\(page.port)"))
            #expect(try await page.program.end(by: SIGINT) == 130)
        }
    }

    @Test("what sidecars tell is added up: rates, success, and who calls whom")
    func traffic() async throws {
        try await MeshFleet.run { fleet in
            _ = try await fleet.instance("identity-check")
            let caller = try await fleet.sidecar("passport-office")
            let page = try await Page.start(fleet)
            let wire = try Wire(port: page.port)
            try wire.send("GET /api/stream HTTP/1.1\r\nhost: localhost\r\n\r\n")
            let deadline = ContinuousClock.now + .seconds(20)
            var told: JSONValue?
            while told == nil, ContinuousClock.now < deadline {
                _ = try await caller.call("identity-check")
                told = try Page.news(wire)["traffic"]?["edges"]?.elements.first {
                    $0["t"]?.text == "identity-check" && ($0["r"]?.number ?? 0) > 0
                }
            }
            #expect(told?["f"]?.text == "passport-office")
            #expect(told?["ok"]?.number == 1)
            #expect(told?["u"]?.number == 1)
        }
    }

    @Test("an address that is not of loopback is refused")
    func notLoopback() async throws {
        try await MeshFleet.run { fleet in
            let refused = try await Program.run(
                "hms-mesh",
                ["dashboard", "--registry", "unix:\(fleet.registry.socket)", "--listen", "0.0.0.0:0"]
            )
            #expect(refused.exitCode == 2)
            #expect(refused.errors.contains("is not of loopback"))
        }
    }

    @Test("a registry that is named and does not answer is an error, at once")
    func notThere() async throws {
        let refused = try await Program.run(
            "hms-mesh",
            ["dashboard", "--registry", "unix:/nonexistent/regd.sock", "--listen", "127.0.0.1:0"]
        )
        #expect(refused.exitCode == 3)
        #expect(refused.errors.contains("there is no such socket"))
        #expect(refused.output.isEmpty)
    }
}

extension Daemon {
    fileprivate var sequence: UInt64 {
        (try? request("GET", "/v1/status").header("x-hms-sequence")).flatMap { $0.flatMap { UInt64($0) } } ?? 0
    }
}

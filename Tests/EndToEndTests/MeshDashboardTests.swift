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

        /// - Parameter place: below the fleet's directory; nil: where its sidecars' sockets are in sight.
        static func start(_ fleet: MeshFleet, _ options: [String] = [], at place: String? = nil) async throws -> Page {
            let program = try RunningProgram(
                "hms-mesh",
                [
                    "dashboard", "--registry", "unix:\(fleet.registry.socket)", "--listen", "127.0.0.1:0", "--no-open",
                ] + options,
                environment: [
                    "XDG_STATE_HOME": "\(fleet.directory)/\(place ?? "state")",
                    "XDG_RUNTIME_DIR": "\(fleet.directory)/\(place ?? "run")",
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

    /// Reads news until one has what is wanted; a minute at most.
    private func awaitTraffic(
        _ page: Page,
        _ meanwhile: () async throws -> Void = {},
        _ wanted: (JSONValue) -> Bool
    ) async throws -> JSONValue? {
        let wire = try Wire(port: page.port)
        try wire.send("GET /api/stream HTTP/1.1\r\nhost: localhost\r\n\r\n")
        let deadline = ContinuousClock.now + .seconds(60)
        while ContinuousClock.now < deadline {
            try await meanwhile()
            if let traffic = try Page.news(wire)["traffic"], wanted(traffic) { return traffic }
        }
        return nil
    }

    @Test("an operator sees what sidecars elsewhere tell, once on record each; one that is dead is marked, and no more")
    func remote() async throws {
        try await MeshFleet.run { fleet in
            _ = try await fleet.instance("identity-check")
            let (_, caller) = try await fleet.instance("passport-office")
            let certificate = "sha256:" + String(repeating: "5", count: 64)
            let dead = try fleet.registry.request(
                "PUT",
                "/v1/services/identity-check/instances/dead",
                #"{"ip":"127.0.0.1","port":9,"tlsCert":"\#(certificate)","weight":0,"status":"healthy","ttlMs":null}"#
            )
            #expect(dead.status == 201)
            let page = try await Page.start(fleet, ["--remote"], at: "mine")
            let traffic = try await awaitTraffic(page, { _ = try await caller.call("identity-check") }) { traffic in
                traffic["silent"]?.elements.isEmpty == false
                    && traffic["edges"]?.elements.contains { ($0["r"]?.number ?? 0) > 0 } == true
            }
            let edge = traffic?["edges"]?.elements.first
            #expect(edge?["f"]?.text == "passport-office" && edge?["t"]?.text == "identity-check")
            #expect(edge?["ok"]?.number == 1)
            #expect(traffic?["sidecars"]?.elements.map { $0["remote"] } == [.bool(true), .bool(true)])
            #expect(traffic?["silent"]?.elements.map { $0["id"]?.text } == ["dead"])
            #expect(traffic?["silent"]?.elements.first?["why"]?.text?.contains("refused") == true)
            let events = try await Program.run(
                "hms-replay",
                ["events", "--data", fleet.directory + "/data", "--type", "sidecar_tailed", "--json"]
            )
            #expect(events.output.split(separator: "\n").count { $0.contains("/figures") } == 2, "\(events.output)")
            #expect(try await page.program.end(by: SIGINT) == 130)
        }
    }

    @Test("a registry that is started anew is watched and asked as before")
    func restart() async throws {
        try await MeshFleet.run { fleet in
            let register = { [registry = fleet.registry] (id: String) in
                try registry.request(
                    "PUT",
                    "/v1/services/identity-check/instances/\(id)",
                    #"{"ip":"10.0.0.1","port":1,"status":"healthy","ttlMs":null}"#
                ).status
            }
            #expect(try register("a") == 201)
            let page = try await Page.start(fleet)
            #expect(try page.get("/api/history/identity-check").status == 200)
            for (signal, id) in [(SIGTERM, "b"), (SIGKILL, "c")] {
                try await fleet.registry.program.end(by: signal)
                let away = try page.get("/api/history/identity-check")
                #expect(away.status == 502 && away.body.contains("nobody answers"), "\(away.body)")
                fleet.registry = try await Daemon.start(fleet.directory + "/data", label: "regd-\(id)")
                #expect(try register(id) == 201)
                for path in ["/api/history/identity-check", "/api/timeline?steps=1", "/api/past?at=now"] {
                    let answer = try page.get(path)
                    #expect(answer.status == 200, "\(path) \(answer.body)")
                }
                try await eventually("the watch to go on") {
                    try page.get("/api/service/identity-check").body.contains(#""id":"\#(id)""#)
                }
            }
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

import Foundation
import TestSupport
import Testing

/// `hms-reg` as a person uses it, against a real daemon.
@Suite("hms-reg")
struct CommandLineTests {
    @Test("an instance is added, beats, is looked up, drained and removed")
    func oneInstance() async throws {
        try await withDaemon { daemon in
            var result = try await daemon.reg(
                "add",
                "identity-check",
                "--address",
                "10.1.3.4",
                "--port",
                "17001",
                "--id",
                "ws14-7001",
                "--version",
                "2.3.1",
                "--tag",
                "blue",
                "--meta",
                "rack=7",
                "--zone",
                "a"
            )
            #expect(result.exitCode == 0)
            #expect(result.output == "✔ identity-check/ws14-7001 registered · 10.1.3.4:17001 · starting · ttl 30s\n")
            #expect(result.errors.contains("→ it must beat within 30s"))

            result = try await daemon.reg("lookup", "identity-check")
            #expect(result.exitCode == 1)
            #expect(
                result.errors == """
                    ✘ identity-check is registered, but its 1 instance is not routable (starting)
                    → why: hms-reg lookup identity-check --all

                    """
            )
            #expect(try await daemon.reg("heartbeat", "identity-check/ws14-7001").exitCode == 0)
            result = try await daemon.reg("lookup", "identity-check", "--version", "2.3.1", "--tag", "blue")
            #expect(result.exitCode == 0)
            let lines = result.output.split(separator: "\n").map { $0.split(separator: " ").map(String.init) }
            #expect(lines[0] == ["INSTANCE", "ADDRESS", "HEALTH", "VERSION", "ZONE", "SINCE", "BEAT", "WHY"])
            #expect(lines[1].prefix(5) == ["ws14-7001", "10.1.3.4:17001", "healthy", "2.3.1", "a"])
            #expect(result.errors.hasPrefix("1 of 1 routable · 3 · "))

            #expect(try await daemon.reg("drain", "identity-check", "ws14-7001").exitCode == 0)
            result = try await daemon.reg("lookup", "identity-check", "--json")
            #expect(result.exitCode == 1)
            #expect(result.output == "{\"identity-check\":[]}\n")
            #expect(try await daemon.reg("remove", "identity-check", "ws14-7001").exitCode == 0)
            #expect(try await daemon.reg("heartbeat", "identity-check", "ws14-7001").exitCode == 1)
        }
    }

    @Test("list shows services by health, version and last change; --json is one document")
    func list() async throws {
        try await withDaemon { daemon in
            #expect(try await daemon.reg("import", fleet()).exitCode == 0)
            let result = try await daemon.reg("list")
            let rows = result.output.split(separator: "\n").map { $0.split(separator: " ").map(String.init) }
            #expect(rows[0] == ["SERVICE", "INSTANCES", "HEALTHY", "OTHER", "VERSION", "CHANGED"])
            #expect(rows[1].prefix(5) == ["identity-check", "3", "3", "-", "2.3.1"])
            #expect(rows[3].prefix(6) == ["payment-gateway", "2", "2", "-", "3.0.0,", "3.0.1"])
            #expect(result.errors.hasPrefix("5 services · 9 instances: 9 healthy · "))
            let json = try await daemon.reg("list", "--json").output
            let document = try #require(try JSONSerialization.jsonObject(with: Data(json.utf8)) as? [String: Any])
            let services = try #require(document["services"] as? [[String: Any]])
            #expect(
                services.map { $0["name"] as? String } == [
                    "identity-check", "passport-printer", "payment-gateway", "photo-validator", "web-portal",
                ]
            )
        }
    }

    @Test("import registers what is good and names the lines that are not")
    func importing() async throws {
        try await withDaemon { daemon in
            let result = try await daemon.reg(
                "import",
                "-",
                input: """
                    {"service":"a","id":"1","ip":"10.0.0.1","port":1}

                    {"service":"B","id":"1","ip":"10.0.0.1","port":1}
                    {"service":"c","id":"1","ip":"10.0.0.1","port":1,"versoin":"2"}
                    {"service":"d"
                    """
            )
            #expect(result.exitCode == 1)
            #expect(result.output == "⚠ 1 instance registered · 3 refused\n")
            #expect(result.errors.contains(#"-:3: "B" is not a service name"#))
            #expect(result.errors.contains(#"-:4: unknown key "versoin": did you mean version?"#))
            #expect(result.errors.contains("-:5: "))
            #expect(try await daemon.reg("import", "/nowhere.ndjson").exitCode == 3)
        }
    }

    @Test("the last routable instance is not removed without a word")
    func removingTheLast() async throws {
        try await withDaemon { daemon in
            _ = try await daemon.reg("add", "printer", "--address", "10.0.0.1", "--port", "9100", "--no-ttl")
            let result = try await daemon.reg("remove", "printer")
            #expect(result.exitCode == 1)
            #expect(result.errors.contains("the last routable instance of printer; nothing was changed"))
            #expect(try await daemon.reg("lookup", "printer").exitCode == 0)
            #expect(try await daemon.reg("remove", "printer", "--yes").exitCode == 0)
            #expect(try await daemon.reg("lookup", "printer").exitCode == 1)
        }
    }

    @Test("an external service gets its host's name, and is probed at once")
    func external() async throws {
        try await withDaemon { daemon in
            // The daemon's own door serves as the service elsewhere.
            let url = "http://\(daemon.plainAddress)/healthz"
            let result = try await daemon.reg("add", "status-page", "--external-url=\(url)")
            #expect(result.output == "✔ status-page is \(url) · probed every 10s\n")
            try await eventually("the first probe") { try await daemon.reg("lookup", "status-page").exitCode == 0 }
            let found = try await daemon.reg("lookup", "status-page", "--json").output
            #expect(found.contains(#""status":"healthy","cause":"probe","detail":"answered 200""#))
            _ = try await daemon.reg("add", "--external-url=https://legacy.agency.invalid")
            try await eventually("the other's first probe") {
                try await daemon.reg("lookup", "legacy-agency-invalid", "--all").output.contains("unhealthy")
            }
            #expect(try await daemon.reg("add", "status-page", "--address", "10.0.0.1", "--port", "1").exitCode == 2)
        }
    }

    @Test("policies are set rule by rule, shown and removed")
    func policy() async throws {
        try await withDaemon { daemon in
            _ = try await daemon.reg("policy", "set", "a", "--retries", "2", "--timeout", "800ms")
            _ = try await daemon.reg("policy", "set", "a", "--ttl", "1m30s")
            let set = try await daemon.reg("policy", "get", "a", "--json").output
            #expect(set == #"{"service":"a","policy":{"retries":2,"timeoutMs":800,"ttlMs":90000}}"# + "\n")
            #expect(try await daemon.reg("policy", "get", "a").output.contains("ttl               1m30s"))
            #expect(try await daemon.reg("policy", "set", "a", "--retries", "99").exitCode == 2)
            #expect(try await daemon.reg("policy", "remove", "a").output == "a has no policy of its own\n")
            #expect(try await daemon.reg("policy", "get", "b").exitCode == 1)
        }
    }

    @Test("the guard can be held and released; status says so")
    func massExpiryGuard() async throws {
        try await withDaemon { daemon in
            #expect(try await daemon.reg("guard").output == "✔ guard off\n")
            #expect(try await daemon.reg("guard", "hold").exitCode == 0)
            #expect(try await daemon.reg("guard").exitCode == 1)
            let status = try await daemon.reg("status")
            #expect(status.exitCode == 1)
            #expect(status.output.hasPrefix("⚠ guard ON since "))
            #expect(try await daemon.reg("guard", "release").exitCode == 0)
            #expect(try await daemon.reg("status").exitCode == 0)
        }
    }

    @Test("unknown names get the nearest; unknown commands and options are told; nobody there is 3")
    func errors() async throws {
        try await withDaemon { daemon in
            _ = try await daemon.reg("add", "identity-check", "--address", "10.0.0.1", "--port", "1", "--no-ttl")
            let unknown = try await daemon.reg("lookup", "identity-chek")
            #expect(unknown.exitCode == 1)
            #expect(
                unknown.errors == """
                    ✘ no service identity-chek is registered
                    → did you mean identity-check? all names: hms-reg list

                    """
            )
            #expect(try await daemon.reg("lookup", "Not A Name").exitCode == 2)
            #expect(try await daemon.reg("frobnicate").exitCode == 2)
            #expect(try await daemon.reg("list", "--frobnicate").exitCode == 2)
            let plain = try await Program.run(
                "hms-reg",
                ["--registry", "http://\(daemon.plainAddress)", "drain", "identity-check", "10.0.0.1-1"]
            )
            #expect(plain.exitCode == 4)
        }
        let nobody = try await Program.run("hms-reg", ["--registry", "unix:/nowhere/regd.sock", "list"])
        #expect(nobody.exitCode == 3)
        #expect(nobody.errors.contains("nobody answers at unix:/nowhere/regd.sock: there is no such socket"))
        let unnamed = try await Program.run("hms-reg", ["list"], environment: ["XDG_RUNTIME_DIR": "/nowhere"])
        if !FileManager.default.fileExists(atPath: "/run/hms/regd.sock") { #expect(unnamed.exitCode == 3) }
    }

    @Test("list and lookup read the files of a daemon that is down, also of one that was killed")
    func offline() async throws {
        try await withTemporaryDirectory { directory in
            let daemon = try await Daemon.start(directory + "/data")
            _ = try await daemon.reg("import", fleet())
            try await daemon.program.end(by: SIGKILL)
            let list = try await daemon.reg("list")
            #expect(list.exitCode == 0)
            #expect(list.output.contains("identity-check"))
            #expect(list.errors.contains("⚠ no daemon is up: this is what its files say"))
            let found = try await daemon.reg("lookup", "identity-check", "--json").output
            #expect(found.components(separatedBy: "\"id\":").count == 4)
            #expect(try await daemon.reg("lookup", "nobody").exitCode == 1)
            #expect(try await daemon.reg("status").exitCode == 3)
            #expect(try await Program.run("hms-reg", ["--data", directory + "/none", "list"]).exitCode == 3)
        }
    }

    private func withDaemon(_ body: (Daemon) async throws -> Void) async throws {
        try await withTemporaryDirectory { directory in
            let daemon = try await Daemon.start(directory + "/data")
            try await body(daemon)
            #expect(try await daemon.program.end() == 0)
        }
    }

    private func fleet() throws -> String {
        URL(fileURLWithPath: #filePath).deletingLastPathComponent()
            .appendingPathComponent("../../fixtures/passport/fleet.ndjson").standardizedFileURL.path
    }
}

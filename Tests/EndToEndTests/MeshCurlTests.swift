import Foundation
import Glibc
import Mesh
import TestSupport
import Testing

/// `hms-mesh curl` and `hms-mesh status`, beside real sidecars.
@Suite("Curl and status")
struct MeshCurlTests {
    private func environment(_ fleet: MeshFleet) -> [String: String] {
        [
            "XDG_STATE_HOME": fleet.directory + "/state", "XDG_RUNTIME_DIR": fleet.directory + "/run",
            "HMS_REGISTRY": "unix:" + fleet.registry.socket,
        ]
    }

    private func mesh(_ fleet: MeshFleet, _ arguments: [String]) async throws -> Program.Result {
        try await Program.run("hms-mesh", arguments, environment: environment(fleet), in: fleet.directory)
    }

    @Test("with no sidecar near it calls as the person, for an hour, and leaves nothing behind")
    func personal() async throws {
        try await MeshFleet.run { fleet in
            let (app, _) = try await fleet.instance("identity-check")
            // Its own sidecar is another user's, as far as this command can see.
            var environment = environment(fleet)
            environment["XDG_RUNTIME_DIR"] = fleet.directory + "/mine"
            environment["XDG_STATE_HOME"] = fleet.directory + "/mine"
            let result = try await Program.run(
                "hms-mesh",
                ["curl", "-v", "identity-check", "/validate"],
                environment: environment,
                in: fleet.directory
            )
            #expect(result.exitCode == 0, "\(result.errors)")
            let login = getpwuid(geteuid()).map { String(cString: $0.pointee.pw_name) } ?? ""
            #expect(result.errors.contains("as spiffe://gov.local/user/\(login)  mtls=on"))
            #expect(app.received.last?.values("x-hms-caller") == ["spiffe://gov.local/user/\(login)"])
            let left = try FileManager.default.contentsOfDirectory(atPath: fleet.directory + "/mine/hms")
            #expect(!left.contains { $0.hasPrefix("curl-") }, "\(left)")

            // The next one goes by the same certificate.
            let again = try await Program.run(
                "hms-mesh",
                ["curl", "identity-check", "/again"],
                environment: environment,
                in: fleet.directory
            )
            #expect(again.exitCode == 0, "\(again.errors)")
            let list = try await fleet.registry.reg("cert", "list", "--json").output
            let certificates = try JSONValue(parsing: Array(list.utf8)).elements
            #expect(certificates.count { $0["spiffe_id"]?.text?.contains("/user/") == true } == 1)
            let own = certificates.first { $0["spiffe_id"]?.text?.hasSuffix("/user/\(login)") == true }
            let end = try #require(own?["not_after"]?.text)
            let date = try #require(ISO8601DateFormatter().date(from: String(end.prefix(19)) + "Z"))
            let secondsLeft = date.timeIntervalSinceNow
            #expect((3_000...3_600).contains(secondsLeft), "\(end)")
        }
    }

    @Test("-v tells of an external service that is down what its sidecar says: not by mutual TLS, however it ended")
    func external() async throws {
        try await MeshFleet.run { fleet in
            _ = try await fleet.sidecar("passport-office", mesh: ["timeout: 700ms"])
            let added = try fleet.registry.request(
                "POST",
                "/v1/external",
                #"{"name":"legacy","url":"https://127.0.0.1:9"}"#
            )
            #expect(added.status == 201)
            for _ in 1...3 {
                let result = try await mesh(fleet, ["curl", "-v", "--as", "passport-office", "legacy", "/x"])
                #expect(result.exitCode == 1)
                #expect(
                    result.errors.contains("as spiffe://gov.local/svc/passport-office  mtls=off"),
                    "\(result.errors)"
                )
                #expect(result.errors.contains(" · trace "), "\(result.errors)")
            }
        }
    }

    @Test("-v tells each try and where its time went; a load counts what failed where")
    func verboseAndLoad() async throws {
        try await MeshFleet.run { fleet in
            let (app, _) = try await fleet.instance("identity-check", id: "good")
            let (_, bad) = try await fleet.instance("identity-check", id: "bad")
            let caller = try await fleet.sidecar("passport-office")
            #expect(!app.name.isEmpty)
            let first = try await mesh(fleet, ["curl", "-v", "--as", "passport-office", "identity-check", "/x"])
            #expect(first.exitCode == 0, "\(first.errors)")
            #expect(first.errors.contains("as spiffe://gov.local/svc/passport-office  mtls=on"))
            #expect(first.errors.contains("200 OK"))
            #expect(
                first.errors.contains("  connect ") && first.errors.contains("  TLS ")
                    && first.errors.contains("  wait ")
            )
            #expect(first.errors.contains(" of 15s"))
            let typo = try await mesh(fleet, ["curl", "--as", "passport-office", "identity-chek", "/x"])
            #expect(typo.exitCode == 1)
            #expect(typo.errors.contains("did you mean identity-check?"), "\(typo.errors)")

            // Calls that go well fill the retry budget.
            _ = try await mesh(fleet, ["curl", "--as", "passport-office", "identity-check", "/x", "-n", "100"])
            try await bad.program.end(by: SIGKILL)
            let load = try await mesh(
                fleet,
                ["curl", "--as", "passport-office", "identity-check", "/x", "-n", "300", "-c", "2"]
            )
            #expect(load.exitCode == 0, "\(load.errors)")
            #expect(load.errors.contains("succeeded 100.00%"))
            let row = try #require(load.errors.split(separator: "\n").first { $0.contains("  bad ") })
            let cells = row.split(separator: " ")
            #expect(Int(cells[2]) ?? 0 > 0, "\(load.errors)")

            let status = try await mesh(fleet, ["status", "--json"])
            let sidecar = try JSONValue(parsing: Array(status.output.utf8)).elements.first {
                $0["service"]?.text == "passport-office"
            }
            let upstream = try #require(sidecar?["upstreams"]?.elements.first)
            let recent = try #require(upstream["recent"])
            #expect(recent["requests"]?.number ?? 0 >= 1)
            #expect(recent["p50_us"]?.number ?? 0 > 0)
            let failed = upstream["instances"]?.elements.first { $0["id"]?.text == "bad" }?["failed_tries"]?.number
            #expect(failed ?? 0 > 0)
            let screen = try await mesh(fleet, ["status"])
            #expect(screen.output.contains("UPSTREAM        USABLE  REQ/S  SUCCESS"))
            let policy = try await mesh(fleet, ["status", "--policy", "identity-check"])
            #expect(policy.output.contains("passport-office/a → identity-check"))
            #expect(policy.output.contains("retries"))
            #expect(try await mesh(fleet, ["status", "--policy", "nobody"]).exitCode == 1)
            #expect(caller.program.isRunning)
        }
    }

    @Test("status --watch draws again and again, and ends with 130")
    func watch() async throws {
        try await MeshFleet.run { fleet in
            _ = try await fleet.sidecar("passport-office")
            let watch = try RunningProgram(
                "hms-mesh",
                ["status", "--watch", "--json"],
                environment: environment(fleet),
                logTo: fleet.directory,
                label: "watch"
            )
            try await eventually("two pictures") { watch.output.split(separator: "\n").count >= 2 }
            for line in watch.output.split(separator: "\n").prefix(2) {
                let line = try JSONValue(parsing: Array(line.utf8))
                #expect(line.elements.first?["service"]?.text == "passport-office")
            }
            #expect(try await watch.end(by: SIGINT) == 130)
        }
    }
}

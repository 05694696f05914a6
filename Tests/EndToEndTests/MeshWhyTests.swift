import Mesh
import TestSupport
import Testing

/// `hms-mesh why`, beside real sidecars.
@Suite("Why a request went where it went")
struct MeshWhyTests {
    @Test("the tries, and what the registry held when they were made, though it holds something else now")
    func afterTheFact() async throws {
        try await MeshFleet.run { fleet in
            let (app, _) = try await fleet.instance("identity-check", id: "a")
            let (_, second) = try await fleet.instance("identity-check", id: "b")
            let caller = try await fleet.sidecar("passport-office")
            let trace = "4bf92f3577b34da6a3ce929d0e0e4736"
            try await second.program.end(by: 9)
            // Picked at random: the one that is dead is tried before long.
            try await eventually("a call to be tried twice") {
                let answer = try await caller.call(
                    "identity-check",
                    headers: [("traceparent", "00-\(trace)-00f067aa0ba902b7-01")]
                )
                return answer.status == 200 && answer.headers.contains { $0.0 == "x-hms-attempts" && $0.1 == "2" }
            }
            #expect(!app.received.isEmpty)
            _ = try await fleet.registry.reg("remove", "identity-check", "b", "--yes")
            let environment = [
                "XDG_STATE_HOME": fleet.directory + "/state", "XDG_RUNTIME_DIR": fleet.directory + "/run",
            ]
            try await eventually("the lines to be written") {
                let why = try await Program.run(
                    "hms-mesh",
                    ["why", trace, "--registry", "unix:" + fleet.registry.socket],
                    environment: environment
                )
                return why.exitCode == 0 && why.errors.isEmpty
                    && why.output.contains("passport-office → identity-check")
                    && why.output.contains("b         healthy")
                    && why.output.contains("(not sent)") && why.output.contains("as it came in")
            }
            let none = try await Program.run("hms-mesh", ["why", String(trace.reversed())], environment: environment)
            #expect(none.exitCode == 1)
            #expect(none.errors.contains("No access log"))
        }
    }
}

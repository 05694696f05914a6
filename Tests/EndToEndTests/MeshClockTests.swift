import Mesh
import TestSupport
import Testing

@Suite("A wrong clock")
struct MeshClockTests {
    @Test(
        "off by more than certificates bear: the call fails at once, and says which way and by how much",
        arguments: [
            (-93_600, "this machine is 1d2h behind the registry"),
            (93_600, "this machine is 1d2h ahead of the registry"),
        ]
    )
    func skew(seconds: Int, words: String) async throws {
        try await MeshFleet.run { fleet in
            let shifted = try ShiftedClock.environment(seconds: seconds, in: fleet.directory)
            let (app, _) = try await fleet.instance("identity-check")
            let caller = try await fleet.sidecar("passport-office", environment: shifted)
            let answer = try await caller.awaitAnswer("identity-check", "the clock to be known") {
                $0.code == "clock-skew"
            }
            #expect(answer.status == 502)
            #expect(answer.delivered == "no")
            #expect(answer.text.contains("TLS handshake failed: clock-skew: \(words)"), "\(answer.text)")
            #expect(app.received.isEmpty)
            let doctor = try await Program.run(
                "hms-mesh",
                ["doctor", "--as", "passport-office"],
                environment: [
                    "XDG_STATE_HOME": fleet.directory + "/state", "XDG_RUNTIME_DIR": fleet.directory + "/run",
                ].merging(shifted) { $1 }
            )
            #expect(doctor.exitCode == 1)
            #expect(doctor.output.contains("✘ clock: \(words) (limit 30s)"), "\(doctor.output)")
        }
    }

    @Test("off by less than the hour that certificates are backdated: calls go through", arguments: [-2_400, 2_400])
    func slightSkew(seconds: Int) async throws {
        try await MeshFleet.run { fleet in
            _ = try await fleet.instance("identity-check")
            let shifted = try ShiftedClock.environment(seconds: seconds, in: fleet.directory)
            let caller = try await fleet.sidecar("passport-office", environment: shifted)
            #expect(try await caller.call("identity-check").status == 200)
        }
    }
}

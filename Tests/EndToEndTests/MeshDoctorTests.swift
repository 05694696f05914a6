import Mesh
import RegistryModel
import TestSupport
import Testing

/// `hms-mesh doctor` beside real sidecars.
@Suite("hms-mesh doctor, whole")
struct MeshDoctorTests {
    private func doctor(
        _ fleet: MeshFleet,
        _ arguments: [String]
    ) async throws -> (code: Int32, levels: [String: String]) {
        let environment = ["XDG_STATE_HOME": fleet.directory + "/state", "XDG_RUNTIME_DIR": fleet.directory + "/run"]
        let result = try await Program.run("hms-mesh", ["doctor", "--json"] + arguments, environment: environment)
        let findings = try JSONValue(parsing: Array(result.output.utf8))["findings"]?.elements ?? []
        let levels = findings.map { ($0["id"]?.text ?? "?", $0["level"]?.text ?? "?") }
        return (result.exitCode, Dictionary(levels, uniquingKeysWith: { $0 == "fine" ? $1 : $0 }))
    }

    @Test("a service that is well, then one whose application, upstream and registry are gone")
    func fallsIll() async throws {
        try await MeshFleet.run { fleet in
            let (app, _) = try await fleet.instance("identity-check")
            let caller = try await fleet.sidecar("passport-office")
            #expect(try await caller.call("identity-check").status == 200)
            let well = try await doctor(fleet, ["--as", "identity-check"])
            #expect(well.code == 0, "\(well.levels)")
            #expect(
                well.levels == [
                    "registry-reachable": "fine", "clock": "fine", "certificate": "fine", "port": "fine",
                    "machine": "fine",
                ]
            )

            #expect(try await caller.call("identity-chekc").code == "unknown-service")
            try await app.stop()
            for _ in 0..<6 { _ = try await caller.call("identity-check") }
            let ill = try await doctor(fleet, ["--as", "passport-office"])
            #expect(ill.code == 1)
            #expect(ill.levels["upstream"] == "wrong", "\(ill.levels)")
            let without = try await doctor(fleet, ["--as", "identity-check"])
            #expect(without.levels["port"] == "wrong", "\(without.levels)")

            try await fleet.registry.program.end()
            try await eventually("the loss of the registry to be noticed") {
                let lost = try await doctor(fleet, ["--as", "identity-check"])
                return lost.levels["registry-reachable"] == "wrong" && lost.levels["routing"] == "warning"
            }
        }
    }

    @Test("a service without a sidecar, and a registry alone")
    func alone() async throws {
        try await MeshFleet.run { fleet in
            let registry = "unix:" + fleet.registry.socket
            let operators = try await doctor(fleet, ["--registry", registry])
            #expect(operators.code == 0)
            #expect(operators.levels == ["registry-reachable": "fine", "clock": "fine", "machine": "fine"])
            try writeFile(fleet.directory + "/hms.yml", Array("service: {name: photo-validator, port: 1}\n".utf8))
            let file = try await doctor(fleet, ["--registry", registry, "--file", fleet.directory + "/hms.yml"])
            #expect(file.code == 1)
            #expect(file.levels["sidecar"] == "wrong" && file.levels["registration"] == "wrong")
        }
    }
}

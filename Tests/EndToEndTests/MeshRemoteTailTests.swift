import Foundation
import Glibc
import Identity
import Mesh
import RegistryClient
import RegistryModel
import TestSupport
import Testing

/// `hms-mesh tail --remote`, beside real sidecars.
@Suite("Tail from elsewhere")
struct MeshRemoteTailTests {
    @Test("an operator sees what comes to a service, wherever it runs, and is on record for it; a newcomer is found")
    func byOperator() async throws {
        try await MeshFleet.run { fleet in
            _ = try await fleet.instance("identity-check")
            let caller = try await fleet.sidecar("passport-office")
            // No sidecar's socket is in sight.
            let tail = try RunningProgram(
                "hms-mesh",
                ["tail", "--remote", "--service", "identity-check", "--registry", "unix:" + fleet.registry.socket],
                environment: [
                    "XDG_STATE_HOME": fleet.directory + "/mine", "XDG_RUNTIME_DIR": fleet.directory + "/mine",
                ],
                logTo: fleet.directory,
                label: "tail"
            )
            try await eventually("the tail to have begun: \(tail.errors)") {
                tail.errors.contains("Watching 1 sidecar of identity-check")
            }
            _ = try await caller.call("identity-check", "GET", "/here")
            try await eventually("the line") { tail.output.contains("GET /here") }
            #expect(tail.output.contains("passport-office identity-check/a"))
            let events = try await Program.run(
                "hms-replay",
                ["events", "--data", fleet.directory + "/data", "--type", "sidecar_tailed", "--json"]
            )
            let login = getpwuid(geteuid()).map { String(cString: $0.pointee.pw_name) } ?? ""
            #expect(events.output.contains("/user/\(login) looked on at its requests"), "\(events.errors)")
            #expect(events.output.contains("/tail?service=identity-check"))

            _ = try await fleet.instance("identity-check", id: "b")
            try await eventually("the newcomer") {
                tail.errors.contains("identity-check/b has started; watching 2 sidecars")
            }
            #expect(try await tail.end(by: SIGINT) == 130)
        }
    }

    @Test("a service's certificate, and a person's without the role, are refused with the reason")
    func refused() async throws {
        try await MeshFleet.run { fleet in
            let (_, sidecar) = try await fleet.instance("identity-check")
            let remote = RemoteSidecar(
                endpoint: try Endpoint(host: "127.0.0.1", port: UInt16(sidecar.plan.inboundPort)),
                service: try ServiceName("identity-check")
            )
            for (subject, reason) in [
                (
                    SPIFFEID.Subject.service(try ServiceName("passport-office")),
                    "is for operators: spiffe://gov.local/svc/passport-office is a service"
                ),
                (.user(try Login("ada")), "only an operator may look on"),
            ] {
                let caller = try SidecarCaller(remote: remote, credentials: try await credentials(subject, fleet))
                await #expect { try await caller.stream(SidecarCaller.Request(path: "/tail")) { _ in } } throws: {
                    error in
                    (error as? SidecarError)?.message.contains(reason) == true
                }
            }
            let impostor = RemoteSidecar(endpoint: remote.endpoint, service: try ServiceName("payment-gateway"))
            let caller = try SidecarCaller(
                remote: impostor,
                credentials: try await credentials(.user(try Login("ada")), fleet, role: .operator)
            )
            await #expect(throws: SidecarError.self) {
                try await caller.stream(SidecarCaller.Request(path: "/tail")) { _ in }
            }
        }
    }

    @Test("from elsewhere there are tail and metrics alone, and nothing without the registry's word")
    func bounds() async throws {
        try await MeshFleet.run { fleet in
            let (_, sidecar) = try await fleet.instance("identity-check")
            let remote = RemoteSidecar(
                endpoint: try Endpoint(host: "127.0.0.1", port: UInt16(sidecar.plan.inboundPort)),
                service: try ServiceName("identity-check")
            )
            let credentials = try await self.credentials(.user(try Login("ada")), fleet, role: .operator)
            let caller = try SidecarCaller(remote: remote, credentials: credentials)
            #expect(try await caller.call(SidecarCaller.Request(path: "/status")).status == 404)
            let metrics = try await caller.call(SidecarCaller.Request(path: "/metrics"))
            #expect(metrics.status == 200 && metrics.text.contains("hms_mesh_requests_total"))
            try await fleet.registry.program.end(by: SIGKILL)
            let without = try await caller.call(SidecarCaller.Request(path: "/metrics"))
            #expect(without.status == 503 && without.text.contains("nobody may"))
        }
    }

    private func credentials(
        _ subject: SPIFFEID.Subject,
        _ fleet: MeshFleet,
        role: PersonRole? = nil
    ) async throws -> RegistryCredentials {
        try await RegistryConnection.withConnection(to: try RegistryAddress(socket: fleet.registry.socket)) {
            connection in
            try await connection.issueCredentials(for: subject, role: role)
        }
    }
}

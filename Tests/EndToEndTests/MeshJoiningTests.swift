import Foundation
import Identity
import Registry
import RegistryClient
import RegistryModel
import TestSupport
import Testing

@testable import Mesh

@Suite("Sidecars at the TLS door")
struct MeshJoiningTests {
    private static let listening = ["--listen", "127.0.0.1:0"]

    private func token(for service: String, _ daemon: Daemon) async throws -> String {
        try await daemon.reg("token", "create", "--service", service).output
            .trimmingCharacters(in: .whitespacesAndNewlines)
    }

    /// An application with a sidecar that has joined by a token, and is offered to callers.
    private func joined(_ service: String, _ fleet: MeshFleet) async throws -> (TestApplication, FleetSidecar) {
        let app = try await TestApplication.start("a")
        let sidecar = try await fleet.sidecar(
            service,
            port: app.port,
            token: try await token(for: service, fleet.registry)
        )
        try await fleet.awaitRoutable(service, "a")
        return (app, sidecar)
    }

    /// Certificates on record, revoked ones included.
    private func certificates(_ daemon: Daemon) async throws -> [CertificateEntry] {
        try await RegistryConnection.withConnection(to: try daemon.address) { try await $0.certificates() }
    }

    @Test("joined by tokens alone they find and call each other, and come back after a restart without one")
    func joining() async throws {
        try await MeshFleet.run(Self.listening) { fleet in
            let (_, serving) = try await joined("identity-check", fleet)
            let caller = try await fleet.sidecar(
                "passport-office",
                token: try await token(for: "passport-office", fleet.registry)
            )
            _ = try await caller.awaitAnswer("identity-check", "an answer") { $0.status == 200 }
            let all = try await fleet.registry.reg("lookup", "identity-check", "--all", "--json").output
            let names = try await certificates(fleet.registry).map(\.spiffeID).sorted()
            #expect(names == ["identity-check", "passport-office"].map { "spiffe://gov.local/svc/\($0)" })

            try await serving.program.end()
            var plan = serving.plan
            plan.environment["HMS_TOKEN"] = nil
            plan.arguments += ["--registry", "https://\(fleet.registry.plainAddress)"]
            let again = try await FleetSidecar.start(plan)
            try await fleet.awaitRoutable("identity-check", "a")
            #expect(try await certificates(fleet.registry).count == 2, "the certificate was kept")
            #expect(all.contains(#""id":"a""#) || all.contains(#""id": "a""#), "\(all)")
            try await again.program.end()
            try await eventually("the instance to be gone") {
                try fleet.registry.request("GET", "/v1/services/identity-check?all=true").body.contains(#""id":"a""#)
                    == false
            }
        }
    }

    @Test("started again with its old token once another root is believed, it stays who it is")
    func usedToken() async throws {
        try await MeshFleet.run(Self.listening + ["--rotation-phase", "4s"]) { fleet in
            let (_, sidecar) = try await joined("billing", fleet)
            #expect(try await fleet.registry.reg("ca", "rotate", "--yes").exitCode == 0)
            try await eventually("the rotation to end") {
                try await fleet.registry.reg("ca", "show", "--json").output.contains(#""former""#)
            }
            try await eventually("a certificate of the new root") {
                try await certificates(fleet.registry).count == 2
            }
            try await sidecar.program.end()
            let again = try await FleetSidecar.start(sidecar.plan)
            try await fleet.awaitRoutable("billing", "a")
            #expect(try await certificates(fleet.registry).count == 2, "the certificate was kept")
            try await again.program.end()
        }
    }

    @Test("revoked, it is told so and beats no more; a new token brings it back as the same instance")
    func revoked() async throws {
        try await MeshFleet.run(Self.listening) { fleet in
            let (_, sidecar) = try await joined("billing", fleet)
            let serial = try #require(try await certificates(fleet.registry).first).serial
            #expect(try await fleet.registry.reg("cert", "revoke", serial).exitCode == 0)
            try await eventually("the sidecar to say so") {
                (sidecar.program.output + sidecar.program.errors).contains("the registry refuses this instance")
            }
            try await sidecar.program.end()
            var plan = sidecar.plan
            plan.environment["HMS_TOKEN"] = try await token(for: "billing", fleet.registry)
            let again = try await FleetSidecar.start(plan)
            try await eventually("another certificate") { try await certificates(fleet.registry).count == 2 }
            try await eventually("the registration") {
                (again.program.output + again.program.errors).contains("Registered with")
            }
            #expect(!(again.program.output + again.program.errors).contains("refuses"))
            try await again.program.end()
        }
    }

    @Test(
        "without a token, or with one for another service, it does not start, and says why; the application gets no token"
    )
    func refused() async throws {
        try await MeshFleet.run(Self.listening) { fleet in
            let home = fleet.directory + "/tool"
            try FileManager.default.createDirectory(atPath: home, withIntermediateDirectories: true)
            let port = try await MeshFleet.freePort()
            try writeFile(home + "/hms.yml", Array("service:\n  name: billing\n  port: \(port)\n".utf8))
            let environment = ["XDG_STATE_HOME": home + "/state", "XDG_RUNTIME_DIR": home + "/run"]
            let run = ["run", "--file", home + "/hms.yml", "--outbound", "127.0.0.1:0"]
            let registry = ["--registry", "https://\(fleet.registry.plainAddress)"]

            let without = try await Program.run("hms-mesh", run + registry, environment: environment)
            #expect(without.exitCode == 4, "\(without.errors)")
            #expect(without.errors.contains("billing has no certificate yet"), "\(without.errors)")
            #expect(without.errors.contains("hms-reg token create --service billing"))

            let foreign = ["HMS_TOKEN": try await token(for: "ledger", fleet.registry)].merging(environment) { $1 }
            let other = try await Program.run("hms-mesh", run, environment: foreign)
            #expect(other.exitCode == 4, "\(other.errors)")
            #expect(other.errors.contains("the join token is for the service ledger"), "\(other.errors)")

            let garbled = ["HMS_TOKEN": "hms1.x"].merging(environment) { $1 }
            #expect(try await Program.run("hms-mesh", run, environment: garbled).exitCode == 2)

            let good = try await token(for: "billing", fleet.registry)
            let told = try await Program.run(
                "hms-mesh",
                run + ["--token-file", "-", "--", "/bin/sh", "-c", "echo \"token=[$HMS_TOKEN]\""],
                input: good + "\n",
                environment: foreign
            )
            #expect(told.exitCode == 0, "\(told.errors)")
            #expect((told.output + told.errors).contains("token=[]"), "\(told.output) \(told.errors)")
        }
    }

    @Test("a sidecar's identity is renewed by its own certificate, and keeps key and lineage")
    func renewal() async throws {
        try await withTemporaryDirectory { directory in
            let tls = try await TLSDaemon.start(directory)
            let service = try ServiceName("billing")
            let access = RegistryAccess(try tls.address)
            let token = try JoinToken(try await token(for: "billing", tls.daemon))
            let identity = try WorkloadIdentity(
                subject: .service(service),
                registry: access,
                joinToken: token,
                directory: directory + "/identity"
            )
            let first = try await identity.obtain(now: WallClock.now())
            #expect(try await identity.obtain(now: WallClock.now()) == first)
            let second = try await identity.renew()
            #expect(second.serial != first.serial)
            #expect(access.credentials?.identity?.svid == second)

            // The token is used up: what is kept does by itself.
            let restarted = try WorkloadIdentity(
                subject: .service(service),
                registry: access,
                joinToken: nil,
                directory: directory + "/identity"
            )
            #expect(try await restarted.obtain(now: WallClock.now()) == second)
            #expect(try await restarted.renew().serial != second.serial)
            #expect(try await certificates(tls.daemon).count == 3)
            try await tls.daemon.program.end()
        }
    }

    @Test(
        "a lapsed identity rejoins by proof of its key, which may ask again; another key may not, nor after the window"
    )
    func rejoining() async throws {
        try await withTemporaryDirectory { directory in
            var tls = try await TLSDaemon.start(directory)
            let lapsed = try tls.authority().identity(
                "spiffe://gov.local/svc/billing",
                at: Date() - 120,
                life: .seconds(60)
            )
            let old = try tls.authority().identity(
                "spiffe://gov.local/svc/ledger",
                at: Date() - 8 * 86_400,
                life: .seconds(60)
            )
            try await tls.daemon.program.end()
            try await record([lapsed, old], in: directory + "/data")
            tls = try await TLSDaemon.start(directory, label: "again")
            let address = try tls.address

            let identity = directory + "/identity"
            try PrivateFile.makeDirectory(identity)
            try PrivateFile.write(lapsed.key.pem, to: identity + "/key.pem")
            try PrivateFile.write(try lapsed.svid.pem, to: identity + "/certificate.pem")
            try PrivateFile.write(try tls.authority().bundle.pem, to: identity + "/bundle.pem")
            let workload = try WorkloadIdentity(
                subject: .service(try ServiceName("billing")),
                registry: RegistryAccess(address),
                joinToken: nil,
                directory: identity
            )
            #expect(try await workload.obtain(now: WallClock.now()).notAfter > WallClock.now())

            var kept = RegistryCredentials(bundle: try tls.authority().bundle, identity: lapsed)
            #expect(try await kept.rejoined(at: address, key: lapsed.key).identity != nil, "the answer was lost")
            await #expect(throws: RegistryClientError(.notAllowed, "")) { _ = try await kept.rejoined(at: address) }
            kept.identity = old
            await #expect(throws: RegistryClientError(.notAllowed, "")) { _ = try await kept.rejoined(at: address) }
            try await tls.daemon.program.end()
        }
    }

    /// As if they had been issued when they were good.
    private func record(_ identities: [RegistryCredentials.Identity], in data: String) async throws {
        let registry = try ServiceRegistry.open(.init(dataDirectory: data), notice: { _ in }, fatal: { _ in })
        for identity in identities {
            let keyHash = try identity.svid.leaf.publicKeyHash()
            let certificate = CertificateRecord(
                serial: identity.svid.serial,
                spiffeID: identity.svid.id.description,
                keyHash: keyHash,
                lineage: keyHash,
                notAfter: identity.svid.notAfter
            )
            _ = try await registry.submit(.issueCertificate(certificate, .operatorsAct), actor: Actor(.uid(0)))
        }
        registry.stop(reason: "test")
    }
}

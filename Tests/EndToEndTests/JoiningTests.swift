import Foundation
import Identity
import RegistryClient
import RegistryModel
import TestSupport
import Testing

@Suite("Joining, renewing, and what is one's own")
struct JoiningTests {
    private func code(_ body: () async throws -> Void) async -> String {
        do {
            try await body()
            return "allowed"
        } catch let error as RegistryClientError {
            return error.code.description
        } catch {
            return "\(error)"
        }
    }

    private func instance(_ service: String, _ id: String, host: String = "127.0.0.1") throws -> Registration {
        let key = InstanceKey(service: try ServiceName(service), id: try InstanceID(id))
        return Registration(instance: Instance(key: key, endpoint: try Endpoint(host: host, port: 7_000)))
    }

    @Test("a token is good once, for its service, from its addresses, until it is revoked; nothing else joins")
    func tokens() async throws {
        try await withTemporaryDirectory { directory in
            let tls = try await TLSDaemon.start(directory)
            let address = try tls.address
            func token(_ options: [String]) async throws -> JoinToken {
                let made = try await Program.run("hms-reg", ["--data", tls.daemon.data, "token", "create"] + options)
                return try JoinToken(made.output.trimmingCharacters(in: .whitespacesAndNewlines))
            }
            func join(_ token: JoinToken, as service: String) async -> String {
                await code {
                    _ = try await RegistryCredentials.joined(by: token, as: .service(try ServiceName(service)))
                }
            }
            let good = try await token(["--service", "billing"])
            #expect(await join(good, as: "payment-gateway") == "bad-token")
            #expect(await join(good, as: "billing") == "allowed")
            #expect(await join(good, as: "billing") == "bad-token")
            #expect(
                await join(try await token(["--service", "billing", "--from", "10.0.0.0/8"]), as: "billing")
                    == "bad-token"
            )
            #expect(await join(try await token(["--role", "operator"]), as: "billing") == "bad-token")
            let unknown = JoinToken.random(address: address.authority, rootKeyHash: good.rootKeyHash)
            #expect(await join(unknown, as: "billing") == "bad-token")
            let elsewhere = JoinToken.random(address: address.authority, rootKeyHash: Array(repeating: 1, count: 32))
            #expect(await join(elsewhere, as: "billing") == "untrusted-registry")

            let once = try await token(["--service", "billing"])
            let outcomes = await withTaskGroup(of: String.self) { group in
                for _ in 0..<8 { group.addTask { await join(once, as: "billing") } }
                return await group.reduce(into: []) { $0.append($1) }
            }
            #expect(outcomes.filter { $0 == "allowed" }.count == 1, "\(outcomes)")
            #expect(outcomes.filter { $0 == "bad-token" }.count == 7, "\(outcomes)")

            let revoked = try await token(["--service", "billing", "--uses", "5"])
            let list = try await tls.daemon.reg("token", "list", "--json").output
            let id = hexadecimal(revoked.hash.prefix(8))
            #expect(list.contains(id))
            #expect(try await tls.daemon.reg("token", "revoke", id).exitCode == 0)
            #expect(await join(revoked, as: "billing") == "bad-token")
            #expect(try !runShell("grep -r \(good.text.suffix(40)) \(directory)/data").output.contains("data"))
            try await tls.daemon.program.end()
        }
    }

    @Test("a renewal keeps the lineage; another name, another's key and a revoked certificate get none")
    func renewal() async throws {
        try await withTemporaryDirectory { directory in
            let tls = try await TLSDaemon.start(directory)
            let address = try tls.address
            let first = try await tls.join("billing")
            let renewed = try await first.renewed(at: address)
            #expect(try #require(renewed.identity).svid.serial != #require(first.identity).svid.serial)
            let registration = try instance("billing", "one")
            try await RegistryConnection.withConnection(to: address, credentials: first) { connection in
                #expect(try await connection.register(registration).result == "registered")
                let request = try SVIDRequest.pem(signedBy: WorkloadKey())
                #expect(
                    await code {
                        _ = try await connection.issueCertificate(
                            for: .service(try ServiceName("payment-gateway")),
                            request: request
                        )
                    } == "not-allowed"
                )
            }
            try await RegistryConnection.withConnection(to: address, credentials: renewed) { connection in
                _ = try await connection.drain(registration.instance.key)
            }
            #expect(try await tls.daemon.reg("cert", "revoke", "--service", "billing").exitCode == 0)
            #expect(await code { _ = try await renewed.renewed(at: address) } == "caller-revoked")
            try await tls.daemon.program.end()
        }
    }

    @Test("nobody rejoins by what has not lapsed or another's key; a revocation takes along what was renewed")
    func revocation() async throws {
        try await withTemporaryDirectory { directory in
            let tls = try await TLSDaemon.start(directory)
            let address = try tls.address
            let first = try await tls.join("billing")
            #expect(await code { _ = try await first.rejoined(at: address) } == "not-allowed", "it has not lapsed")
            var thief = first
            thief.identity?.key = WorkloadKey()
            #expect(await code { _ = try await thief.rejoined(at: address) } == "not-allowed")
            let renewed = try await first.renewed(at: address)
            let serial = try #require(renewed.identity).svid.serial
            #expect(try await tls.daemon.reg("cert", "revoke", serial).exitCode == 0)
            for revoked in [first, renewed] {
                #expect(await code { _ = try await revoked.renewed(at: address) } == "caller-revoked")
                #expect(await code { _ = try await revoked.rejoined(at: address) } == "caller-revoked")
            }
            let list = try await tls.daemon.reg("cert", "list", "--json").output
            #expect(list.components(separatedBy: "spiffe://gov.local/svc/billing").count == 3, "\(list)")
            try await tls.daemon.program.end()
        }
    }

    @Test("a workload keeps its own instances: no sibling's, no other service's, at no address but its own")
    func ownership() async throws {
        try await withTemporaryDirectory { directory in
            let tls = try await TLSDaemon.start(directory, ["--advertise-allow", "10.1.0.0/16"])
            let address = try tls.address
            let (one, sibling) = (try await tls.join("billing"), try await tls.join("billing"))
            let registration = try instance("billing", "one")
            let key = registration.instance.key
            try await RegistryConnection.withConnection(to: address, credentials: one) { connection in
                _ = try await connection.register(registration)
                _ = try await connection.register(try instance("billing", "nat", host: "10.1.2.3"))
                #expect(
                    await code { _ = try await connection.register(try instance("billing", "far", host: "10.2.0.1")) }
                        == "address-not-allowed"
                )
                #expect(await code { _ = try await connection.register(try instance("audit", "x")) } == "not-allowed")
                #expect(
                    await code {
                        _ = try await connection.createToken(
                            for: .service(key.service),
                            life: .seconds(60),
                            uses: 1
                        )
                    } == "not-allowed"
                )
                #expect(await code { _ = try await connection.certificates() } == "not-allowed")
            }
            try await RegistryConnection.withConnection(to: address, credentials: sibling) { connection in
                #expect(await code { _ = try await connection.register(registration) } == "not-yours")
                #expect(await code { _ = try await connection.drain(key) } == "not-yours")
                #expect(await code { _ = try await connection.deregister(key) } == "not-yours")
                #expect(
                    await code { _ = try await connection.heartbeat(key, status: .healthy, detail: "") } == "not-yours"
                )
                #expect(await code { _ = try await connection.services() } == "allowed")
            }
            let found = try await tls.daemon.reg("lookup", "billing", "--all", "--json").output
            let fingerprint = try #require(one.identity).svid.fingerprint
            #expect(found.contains(fingerprint), "\(found)")
            try await tls.daemon.program.end()
        }
    }

    @Test("login keeps a person's certificate, whoami tells of it, and each role can what it should")
    func login() async throws {
        try await withTemporaryDirectory { directory in
            let tls = try await TLSDaemon.start(directory)
            let registry = tls.daemon.plainAddress
            func reg(_ arguments: [String], state: String, token: String? = nil) async throws -> Program.Result {
                var environment = ["XDG_STATE_HOME": directory + "/" + state]
                environment["HMS_TOKEN"] = token
                return try await Program.run("hms-reg", arguments, environment: environment)
            }
            let unknown = try await reg(["--registry", registry, "list"], state: "nobody")
            #expect(unknown.exitCode == 3)
            #expect(unknown.errors.contains("its root was never pinned"))
            for role in ["operator", "auditor"] {
                let token = try await tls.daemon.reg("token", "create", "--role", role).output
                #expect(try await reg(["login", "--as", "ada"], state: role, token: token).exitCode == 0)
                let who = try await reg(["--registry", registry, "whoami"], state: role)
                #expect(who.output.hasPrefix("spiffe://gov.local/user/ada · \(role)"), "\(who.output)")
                #expect(try await reg(["--registry", registry, "token", "list"], state: role).exitCode == 0)
                let add = ["--registry", registry, "add", "a", "--id", role, "--address", "10.0.0.1", "--port", "1"]
                #expect(try await reg(add, state: role).exitCode == (role == "operator" ? 0 : 4))
            }
            let modes = try runShell(
                "stat -c %a \(directory)/auditor/hms/identity/*/user/ \(directory)/auditor/hms/identity/*/user/*"
            )
            #expect(modes.output == "700\n600\n600\n", "\(modes.output)")
            #expect(try await reg(["--registry", registry, "logout"], state: "auditor").exitCode == 0)
            #expect(try await reg(["--registry", registry, "list"], state: "auditor").exitCode == 3)
            #expect(try await tls.daemon.reg("whoami").output.hasSuffix("operator: everything\n"))
            try await tls.daemon.program.end()
        }
    }
}

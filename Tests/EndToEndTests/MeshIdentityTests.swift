import Foundation
import Mesh
import TestSupport
import Testing

@Suite("Who may call whom")
struct MeshIdentityTests {
    @Test("a caller that mesh.allow does not name gets 403, and the application nothing")
    func allowList() async throws {
        try await MeshFleet.run { fleet in
            let (app, _) = try await fleet.instance("identity-check", mesh: ["allow: [passport-office]"])
            let allowed = try await fleet.sidecar("passport-office")
            let other = try await fleet.sidecar("tax-office")
            #expect(try await allowed.call("identity-check").status == 200)
            let refused = try await other.call("identity-check", "POST", body: [1])
            #expect(refused.status == 403, "\(refused.text)")
            #expect(refused.code == "caller-not-allowed")
            #expect(refused.delivered == "no")
            #expect(app.received.count == 1)
        }
    }

    @Test("a revoked caller gets 403 from then on, on the connections that it has too; others are not touched")
    func revokedCaller() async throws {
        try await MeshFleet.run { fleet in
            let (app, _) = try await fleet.instance("identity-check")
            let revoked = try await fleet.sidecar("passport-office")
            let other = try await fleet.sidecar("tax-office")
            #expect(try await revoked.call("identity-check").status == 200)
            #expect(try await other.call("identity-check").status == 200)
            let result = try await fleet.registry.reg("cert", "revoke", "--service", "passport-office")
            #expect(result.exitCode == 0, "\(result.errors)")
            let refused = try await revoked.awaitAnswer("identity-check", "the refusal") { $0.status == 403 }
            #expect(refused.code == "caller-revoked", "\(refused.text)")
            #expect(refused.delivered == "no")
            let served = app.received.count
            for _ in 0..<5 { #expect(try await revoked.call("identity-check").status == 403) }
            #expect(app.received.count == served)
            #expect(try await other.call("identity-check").status == 200)
        }
    }

    @Test("what has no certificate of this mesh gets no byte through: none, another authority's, an expired one")
    func strangers() async throws {
        try await MeshFleet.run { fleet in
            let (app, callee) = try await fleet.instance("identity-check")
            let directory = fleet.directory
            #expect(
                try await fleet.registry.reg("cert", "issue", "tax-office", "--out", directory + "/mine").exitCode == 0
            )
            try Self.makeStrangers(directory, keys: fleet.registry.data + "/keys")
            let port = callee.plan.inboundPort
            let mine = try Self.request(
                port,
                "-cert \(directory)/mine/svid.pem -cert_chain \(directory)/mine/svid.pem -key \(directory)/mine/svid.key"
            )
            #expect(mine.contains("HTTP/1.1 200 OK"), "\(mine)")
            #expect(app.received.count == 1)
            for (name, options) in [
                ("none", ""),
                ("another authority's", "-cert \(directory)/other.pem -key \(directory)/leaf.key"),
                (
                    "an expired one",
                    "-cert \(directory)/expired.pem -cert_chain \(directory)/issuer.crt "
                        + "-key \(directory)/leaf.key"
                ),
                ("TLS 1.2", "-tls1_2 -cert \(directory)/mine/svid.pem -key \(directory)/mine/svid.key"),
            ] {
                let answer = try Self.request(port, options)
                #expect(!answer.contains("HTTP/1.1 200"), "\(name): \(answer)")
                #expect(
                    answer.contains("alert") || answer.contains("HTTP/1.1 4") || answer.contains("HTTP/1.1 5"),
                    "\(name): \(answer)"
                )
            }
            #expect(app.received.count == 1)
        }
    }

    @Test("who answers in another service's name gets nothing: the honest instance takes the call")
    func wrongPeer() async throws {
        try await MeshFleet.run { fleet in
            let (thief, impostor) = try await fleet.instance("tax-office")
            func pose() async throws -> Program.Result {
                try await fleet.registry.reg(
                    "add",
                    "identity-check",
                    "--address",
                    "127.0.0.1",
                    "--port",
                    "\(impostor.plan.inboundPort)",
                    "--id",
                    "posing",
                    "--no-ttl"
                )
            }
            #expect(try await pose().exitCode == 0)
            let caller = try await fleet.sidecar("passport-office", mesh: ["retries: 0"])
            let refused = try await caller.call("identity-check", "POST", body: [1])
            #expect(refused.status == 502, "\(refused.text)")
            #expect(refused.code == "wrong-peer")
            #expect(refused.delivered == "no")

            _ = try await fleet.instance("identity-check", id: "honest")
            let patient = try await fleet.sidecar("passport-office", id: "patient")
            for _ in 0..<10 {
                let answer = try await patient.call("identity-check", "POST", body: [1])
                #expect(answer.status == 200, "\(answer.text)")
                #expect(answer.text == "honest")
            }
            #expect(thief.received.isEmpty)
        }
    }

    /// `other.pem`, of an authority of its own; `expired.pem`, of the mesh's, for yesterday; both with `leaf.key`.
    private static func makeStrangers(_ directory: String, keys: String) throws {
        let authority = try JSONValue(parsing: Array(try runShell("cat \(keys)/authority.json").output.utf8))
        for (name, member) in [("issuer.crt", "issuer"), ("issuer.key", "issuerKey")] {
            try writeFile("\(directory)/\(name)", Array((authority["active"]?[member]?.text ?? "").utf8))
        }
        let made = try runShell(
            """
            cd \(directory) && openssl ecparam -name prime256v1 -genkey -noout -out leaf.key && \
            openssl req -new -key leaf.key -subj /CN=passport-office -out leaf.csr && \
            printf 'subjectAltName=critical,URI:spiffe://gov.local/svc/passport-office\\n\
            basicConstraints=critical,CA:FALSE\\nkeyUsage=critical,digitalSignature\\n\
            extendedKeyUsage=serverAuth,clientAuth\\n' > leaf.ext && \
            openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout other.key -out other-ca.pem \
            -subj '/CN=another authority' -days 1 && \
            openssl x509 -req -in leaf.csr -CA other-ca.pem -CAkey other.key -CAcreateserial -days 1 -extfile leaf.ext \
            -out other.pem && \
            touch index.txt && printf '[ca]\\ndefault_ca=d\\n[d]\\ndatabase=index.txt\\nnew_certs_dir=.\\n\
            rand_serial=yes\\ndefault_md=sha256\\npolicy=p\\n[p]\\ncommonName=supplied\\n' > ca.cnf && \
            openssl ca -batch -notext -config ca.cnf -cert issuer.crt -keyfile issuer.key -in leaf.csr \
            -extfile leaf.ext -startdate 20250101000000Z -enddate 20250102000000Z -out expired.pem
            """
        )
        #expect(made.status == 0, "\(made.output)")
    }

    /// What `openssl s_client` has to say, and what it was answered.
    private static func request(_ port: Int, _ options: String) throws -> String {
        try runShell(
            "(printf 'GET /stranger HTTP/1.1\\r\\nhost: identity-check\\r\\nconnection: close\\r\\n\\r\\n'; sleep 0.5) | "
                + "timeout 5 openssl s_client -connect 127.0.0.1:\(port) -alpn http/1.1 -ign_eof \(options)"
        ).output
    }
}

import Foundation
import Glibc
import Identity
import RegistryClient
import RegistryModel
import TestSupport
import Testing

@Suite("The TLS door, from outside")
struct TLSDoorTests {
    private static let workload = "spiffe://gov.local/svc/photo-validator"

    @Test("speaks TLS 1.3 alone, shows the reserved name and its --name, and lets nobody in without a certificate")
    func door() async throws {
        try await withTemporaryDirectory { directory in
            let tls = try await TLSDaemon.start(directory, ["--name", "reg.gov.local"])
            let named = try tls.get("/v1/trust-bundle", "-verify_hostname registry.gov.local")
            #expect(named.contains("HTTP/1.1 200 OK"), "\(named)")
            #expect(named.contains("TLSv1.3"))
            #expect(try tls.get("/v1/trust-bundle", "-verify_hostname reg.gov.local").contains("HTTP/1.1 200 OK"))
            #expect(try !tls.get("/v1/trust-bundle", "-verify_hostname other.gov.local").contains("HTTP/1.1"))
            #expect(try tls.get("/v1/trust-bundle", "-tls1_2").contains("alert protocol version"))
            #expect(try tls.get("/healthz").contains("HTTP/1.1 200 OK"))
            for path in [
                "/v1/services", "/v1/services/a", "/v1/watch?service=a", "/v1/certificates", "/v1/tokens", "/metrics",
            ] {
                let refused = try tls.get(path)
                #expect(refused.contains("HTTP/1.1 403"), "\(path)")
                #expect(refused.contains(#""code":"not-allowed""#), "\(path)")
            }
            try await tls.daemon.program.end()
        }
    }

    @Test("certificates that are no good are refused, and the reason is told")
    func badCertificates() async throws {
        try await withTemporaryDirectory { directory in
            let tls = try await TLSDaemon.start(directory)
            let authority = try tls.authority()
            let now = Date()
            try tls.write(try authority.identity(Self.workload), as: "good")
            #expect(try tls.get("/v1/services", TLSDaemon.showing("good")).contains("HTTP/1.1 200 OK"))

            let foreign = try CertificateAuthority(
                trustDomain: try TrustDomain("gov.local"),
                now: Timestamp(rawValue: Int64(now.timeIntervalSince1970) * 1_000_000_000)
            )
            try tls.write(try foreign.identity(Self.workload), as: "foreign")
            #expect(try tls.get("/v1/services", TLSDaemon.showing("foreign")).contains("alert unknown ca"))

            try tls.write(try authority.identity(Self.workload, at: now - 2 * 86_400), as: "expired")
            #expect(try tls.get("/v1/services", TLSDaemon.showing("expired")).contains("alert certificate expired"))

            let made = try runShell(
                """
                cd \(directory) && openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 1 \
                -subj /CN=photo-validator -addext subjectAltName=URI:\(Self.workload) -keyout self.key -out self.crt
                """
            )
            #expect(made.status == 0, "\(made.output)")
            #expect(try tls.get("/v1/services", "-cert self.crt -key self.key").contains("alert unknown ca"))

            let elsewhere = try authority.identity("spiffe://other.local/svc/photo-validator")
            try tls.write(elsewhere, as: "elsewhere")
            let refused = try tls.get("/v1/services", TLSDaemon.showing("elsewhere"))
            #expect(refused.contains(#""code":"wrong-peer""#), "\(refused)")
            try await tls.daemon.program.end()
        }
    }

    @Test("a session is resumed with the rights of its certificate, and with none of them once that is revoked")
    func resumedAfterRevocation() async throws {
        try await withTemporaryDirectory { directory in
            let tls = try await TLSDaemon.start(directory)
            let joined = try await tls.join("photo-validator")
            let identity = try #require(joined.identity)
            try tls.write(identity, as: "peer")
            _ = try tls.get("/v1/services", TLSDaemon.showing("peer") + " -sess_out session")
            // No certificate is shown here: the session remembers it.
            let resumed = try tls.get("/v1/services", "-sess_in session")
            #expect(resumed.contains("Reused, TLSv1.3"))
            #expect(resumed.contains("HTTP/1.1 200 OK"))

            _ = try tls.get("/v1/services", "-sess_out anonymous")
            let nobody = try tls.get("/v1/services", "-sess_in anonymous")
            #expect(nobody.contains("Reused, TLSv1.3"))
            #expect(nobody.contains(#""code":"not-allowed""#))

            #expect(try await tls.daemon.reg("cert", "revoke", identity.svid.serial).exitCode == 0)
            let shown = try tls.get("/v1/services", TLSDaemon.showing("peer"))
            #expect(shown.contains(#""code":"caller-revoked""#), "\(shown)")
            let later = try tls.get("/v1/services", "-sess_in session")
            #expect(!later.contains("Reused"), "\(later)")
            #expect(later.contains(#""code":"not-allowed""#))
            try await tls.daemon.program.end()
        }
    }

    @Test("a session that outlives its certificate is refused when it is resumed")
    func resumedAfterExpiry() async throws {
        try await withTemporaryDirectory { directory in
            let tls = try await TLSDaemon.start(directory)
            let identity = try tls.authority().identity(Self.workload, life: .seconds(4))
            try tls.write(identity, as: "peer")
            let first = try tls.get("/v1/services", TLSDaemon.showing("peer") + " -sess_out session")
            #expect(first.contains("HTTP/1.1 200 OK"), "\(first)")
            try await eventually("the certificate's end") {
                Int64(Date().timeIntervalSince1970) > identity.svid.notAfter.rawValue / 1_000_000_000 + 1
            }
            let resumed = try tls.get("/v1/services", "-sess_in session")
            #expect(resumed.contains("Reused, TLSv1.3"))
            #expect(resumed.contains(#""code":"certificate-expired""#), "\(resumed)")
            try await tls.daemon.program.end()
        }
    }

    @Test("a revocation ends the live watch of the certificate, and of no other")
    func revokedWhileWatching() async throws {
        try await withTemporaryDirectory { directory in
            let tls = try await TLSDaemon.start(directory)
            let address = try tls.address
            let denied = try await tls.join("photo-validator")
            let other = try await tls.join("photo-validator")
            let serial = try #require(denied.identity).svid.serial
            let watch = Task {
                try await WatchStream(address: address, credentials: { denied }, services: []).run(
                    onConnection: { _ in },
                    onMessage: { _, _ in }
                )
            }
            try await RegistryConnection.withConnection(to: address, credentials: other) { connection in
                _ = try await connection.services()
                try await eventually("the watch") {
                    try tls.daemon.request("GET", "/v1/status").body.contains(#""subscribers":1"#)
                }
                #expect(try await tls.daemon.reg("cert", "revoke", serial).exitCode == 0)
                await #expect(throws: RegistryClientError(.init("caller-revoked"), "")) { try await watch.value }
                _ = try await connection.services()
            }
            try await tls.daemon.program.end()
        }
    }

    @Test("a peer that hangs in its watch holds up no stop, and leaves no complaint")
    func stopWithHangingPeer() async throws {
        try await withTemporaryDirectory { directory in
            let tls = try await TLSDaemon.start(directory)
            try tls.write(try #require(try await tls.join("photo-validator").identity), as: "photo")
            let started = try runShell(
                """
                cd \(directory); (printf 'GET /v1/watch?service=photo-validator HTTP/1.1\\r\\nhost: registry\\r\\n\\r\\n'; exec sleep 30) 2>/dev/null |
                openssl s_client -quiet -connect \(tls.daemon.plainAddress) -CAfile bundle.pem \(TLSDaemon.showing("photo")) \
                >watch.out 2>&1 & echo $!
                """
            )
            let watcher = try #require(Int32(started.output.trimmingCharacters(in: .whitespacesAndNewlines)))
            defer { kill(watcher, SIGKILL) }
            try await eventually("the watch") {
                try tls.daemon.request("GET", "/v1/status").body.contains(#""subscribers":1"#)
            }
            kill(watcher, SIGSTOP)
            let began = ContinuousClock.now
            #expect(try await tls.daemon.program.end() == 0)
            // A second for answers under way and half a one for goodbyes; TLS by itself would wait 5 s.
            #expect(ContinuousClock.now - began < .seconds(4))
            #expect(!tls.daemon.program.errors.contains("EventLoop"), "\(tls.daemon.program.errors)")
        }
    }

    @Test(
        "nobody who shows another certificate is taken for the registry, a workload's of the same root included",
        arguments: ["spiffe://gov.local/svc/registry-1", "spiffe://gov.local/user/registry.gov.local"]
    )
    func impostor(id: String) async throws {
        try await withTemporaryDirectory { directory in
            let tls = try await TLSDaemon.start(directory)
            try tls.write(try tls.authority().identity(id), as: "impostor")
            let port = 20_000 + Int(tls.daemon.program.pid) % 20_000
            let asked = try runShell(
                """
                cd \(directory) && (openssl s_server -accept 127.0.0.1:\(port) -cert impostor.crt \
                -cert_chain impostor.crt -key impostor.key -quiet >server.log 2>&1 </dev/null & echo $! >server.pid)
                for try in 1 2 3 4 5 6 7 8 9 10; do
                    sleep 0.2
                    \(Program.path(of: "hms-reg")) --registry 127.0.0.1:\(port) --ca bundle.pem ca show >answer 2>&1
                    code=$?
                    grep -q refused answer || break
                done
                kill -9 $(cat server.pid); cat answer; echo exit $code
                """
            ).output
            #expect(asked.contains("is not a registry to believe: the certificate is not a registry's"), "\(asked)")
            #expect(asked.hasSuffix("exit 3\n"))
            try await tls.daemon.program.end()
        }
    }
}

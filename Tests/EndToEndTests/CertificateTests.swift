import Foundation
import TestSupport
import Testing

@Suite("The registry as a certificate authority")
struct CertificateTests {
    @Test("issues a certificate that openssl verifies, on record and listed, the key never sent")
    func issue() async throws {
        try await withTemporaryDirectory { directory in
            let daemon = try await Daemon.start(directory + "/data", ["--trust-domain", "agency.local"])
            let identity = directory + "/identity"
            let result = try await daemon.reg("cert", "issue", "photo-validator", "--out", identity)
            #expect(result.exitCode == 0)
            #expect(result.output.hasPrefix("✔ spiffe://agency.local/svc/photo-validator · ends "))
            let verified = try runShell(
                """
                cd \(identity) && csplit -sz svid.pem '/BEGIN/' '{*}' && \
                openssl verify -x509_strict -CAfile bundle.pem -untrusted xx01 xx00 && \
                openssl x509 -in xx00 -noout -pubkey > certified && openssl pkey -in svid.key -pubout | cmp - certified && \
                echo same key && stat -c %a svid.key
                """
            )
            #expect(verified.output == "xx00: OK\nsame key\n600\n", "\(verified.output)")
            let bundle = try await daemon.reg("ca", "show", "--pem")
            #expect(bundle.output == String(decoding: try readFile(identity + "/bundle.pem"), as: UTF8.self))
            #expect(try await daemon.reg("ca", "show").output.contains("HMS root of agency.local"))

            let list = try await daemon.reg("cert", "list")
            #expect(list.output.contains("spiffe://agency.local/svc/photo-validator"))
            #expect(list.output.contains("good"))
            try await daemon.program.end(by: SIGKILL)
            let again = try await Daemon.start(directory + "/data", ["--trust-domain", "agency.local"], label: "again")
            #expect(try await again.reg("cert", "list").output == list.output)
            #expect(try await again.reg("ca", "show", "--pem").output == bundle.output)
            try await again.program.end()
            #expect(try runShell("grep -c 'PRIVATE' -r \(directory)/data/log").output.hasSuffix(":0\n"))
        }
    }

    @Test("a revocation reaches whoever watches at once, outlives a restart, and is refused for what is not on record")
    func revoke() async throws {
        try await withTemporaryDirectory { directory in
            var daemon = try await Daemon.start(directory + "/data")
            let issued = try await daemon.reg("cert", "issue", "a", "--out", directory + "/a", "--json").output
            let serial = String(issued.split(separator: "\"")[3])
            #expect(serial.count == 32)
            let watch = try RunningProgram(
                "hms-reg",
                ["watch", "a", "--json", "--data", daemon.data],
                logTo: directory,
                label: "watch"
            )
            try await eventually("the empty list") {
                watch.output.contains(#"{"event":"denied","serials":[],"services":{}}"#)
            }
            #expect(try await daemon.reg("cert", "revoke", serial).exitCode == 0)
            try await eventually("the revocation") { watch.output.contains(#""serials":["\#(serial)"]"#) }
            #expect(try await daemon.reg("cert", "revoke", serial).exitCode == 0)
            #expect(try await daemon.reg("cert", "revoke", "ffff").exitCode == 1)
            #expect(try await daemon.reg("cert", "revoke").exitCode == 2)
            try await watch.end()
            _ = try await daemon.reg("cert", "issue", "b", "--out", directory + "/b")
            #expect(try await daemon.reg("cert", "revoke", "--service", "b").exitCode == 0)
            try await daemon.program.end()
            daemon = try await Daemon.start(directory + "/data", label: "again")
            let list = try await daemon.reg("cert", "list", "--json").output
            #expect(list.components(separatedBy: #""revoked":true"#).count == 3, "\(list)")
            try await daemon.program.end()
        }
    }

    @Test("only operators issue and revoke; the bundle is everybody's; bad requests are told")
    func doors() async throws {
        try await withTemporaryDirectory { directory in
            let daemon = try await Daemon.start(directory + "/data")
            let plain = ["--registry", "http://\(daemon.plainAddress)"]
            #expect(try await Program.run("hms-reg", plain + ["ca", "show"]).exitCode == 0)
            #expect(try await Program.run("hms-reg", plain + ["cert", "list"]).exitCode != 0)
            let refused = try await Program.run("hms-reg", plain + ["cert", "issue", "a", "--out", directory + "/a"])
            #expect(refused.exitCode != 0)
            #expect(!FileManager.default.fileExists(atPath: directory + "/a/svid.pem"))
            for body in [
                #"{"service":"a"}"#, #"{"service":"a","csr":"x"}"#, #"{"service":"A","csr":"x"}"#, #"{"csr":"x"}"#,
            ] {
                #expect(try daemon.request("POST", "/v1/certificates", body).status == 400)
            }
            #expect(try daemon.request("GET", "/v1/status").body.contains(#""sequence":1,"#))
            try await daemon.program.end()
        }
    }

    @Test("keys of another trust domain stop the start")
    func otherDomain() async throws {
        try await withTemporaryDirectory { directory in
            let daemon = try await Daemon.start(directory + "/data", ["--trust-domain", "one.local"])
            try await daemon.program.end()
            let other = try await Program.run(
                "hms-regd",
                ["--data", directory + "/data", "--socket", "none", "--trust-domain", "two.local"]
            )
            #expect(other.exitCode == 3)
            #expect(other.errors.contains("is of another trust domain"))
            let bad = try await Program.run(
                "hms-regd",
                ["--data", directory + "/x", "--trust-domain", "Two", "--check"]
            )
            #expect(bad.exitCode == 2)
        }
    }
}

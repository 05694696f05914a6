import MeshManifest
import NIOCore
import RegistryModel
import Testing

@testable import Mesh

@Suite("Whom a request is for")
struct CallTargetTests {
    private let resolver = TargetResolver(trustDomain: "gov.local")

    private func resolve(_ line: String, _ fields: String, fixed: String? = nil) throws -> String {
        var buffer = ByteBuffer(string: "\(line) HTTP/1.1\r\n\(fields)\r\n")
        var scanner = HeadScanner()
        let head = try #require(try scanner.request(&buffer))
        switch resolver.resolve(head, listener: "127.0.0.1:41877", fixedAuthority: fixed) {
        case .service(let name, let target):
            return "service \(name) \(target.isRoot ? "/" : head.block.text(target.path))"
        case .egress(let host, let port, let target):
            return "egress \(host):\(port) \(target.isRoot ? "/" : head.block.text(target.path))"
        case .unclear: return "unclear"
        }
    }

    @Test(
        "by the absolute form, Host, or x-hms-service where Host is the listener itself",
        arguments: [
            ("GET /a?b", "Host: identity-check\r\n", "service identity-check /a?b"),
            ("GET /a", "Host: identity-check:80\r\n", "service identity-check /a"),
            ("GET /a", "Host: Identity-Check\r\n", "service identity-check /a"),
            ("GET /a", "Host: identity-check.gov.local\r\n", "service identity-check /a"),
            ("GET http://identity-check/a", "Host: other\r\n", "service identity-check /a"),
            ("GET http://user@identity-check:80/a", "Host: other\r\n", "service identity-check /a"),
            ("GET http://identity-check", "Host: other\r\n", "service identity-check /"),
            ("GET /a", "Host: 127.0.0.1:41877\r\nx-hms-service: identity-check\r\n", "service identity-check /a"),
            ("GET /a", "Host: localhost:41877\r\nx-hms-service: identity-check\r\n", "service identity-check /a"),
            ("GET /a", "Host: 127.0.0.1:41877\r\n", "unclear"),
            ("GET /a", "Host: 127.0.0.1:41877\r\nx-hms-service: no.name\r\n", "unclear"),
            ("GET /a", "Host: api.example.org\r\n", "egress api.example.org:80 /a"),
            ("GET http://[::1]:8080/a", "Host: x\r\n", "egress ::1:8080 /a"),
            ("GET /a", "Host: 127.0.0.1:7000\r\n", "egress 127.0.0.1:7000 /a"),
            ("GET /a", "Host: a:b:c\r\n", "unclear"),
            ("GET /a", "Host: \r\n", "unclear"),
        ]
    )
    func targets(line: String, fields: String, expected: String) throws {
        #expect(try resolve(line, fields) == expected)
    }

    @Test("a CONNECT around it says who is meant")
    func connect() throws {
        #expect(try resolve("GET /a", "Host: whatever\r\n", fixed: "identity-check:80") == "service identity-check /a")
    }

    @Test("egress rules name hosts, ports and suffixes")
    func egress() {
        #expect(EgressRule("api.example.org").allows(host: "API.example.org", port: 443))
        #expect(!EgressRule("api.example.org").allows(host: "x.api.example.org", port: 443))
        #expect(!EgressRule("api.example.org:443").allows(host: "api.example.org", port: 80))
        #expect(EgressRule("*.example.org").allows(host: "a.b.example.org", port: 80))
        #expect(!EgressRule("*.example.org").allows(host: "example.org", port: 80))
        #expect(!EgressRule("*.example.org").allows(host: "evilexample.org", port: 80))
    }

    @Test(
        "paths in the log",
        arguments: [
            ("/validate?passport=C01X0006H", "/validate"), ("/people/123456789/photo", "/people/***/photo"),
            ("/v1/people/12345", "/v1/people/12345"), ("/mail/ada@example.org/x", "/mail/***/x"),
            ("/mail/ada%40example.org", "/mail/***"), ("/", "/"), ("/a123456", "/a***"),
        ]
    )
    func masking(path: String, shown: String) {
        #expect(Manifest.LoggedPath.masked.show(path) == shown)
        #expect(Manifest.LoggedPath.full.show(path) == path)
        #expect(Manifest.LoggedPath.off.show(path) == "/…")
    }
}

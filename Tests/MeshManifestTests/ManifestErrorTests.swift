import MeshManifest
import Terminal
import Testing

@Suite("What is wrong with an hms.yml")
struct ManifestErrorTests {
    private func rendered(_ text: String) -> String {
        do {
            _ = try parse(text)
            return ""
        } catch let error as ManifestError {
            return error.rendered(Style(isColored: false), .unicode)
        } catch {
            return "\(error)"
        }
    }

    @Test("an unknown key names its place, the nearest known one, and all of its block")
    func unknownKey() {
        let text = """
            service:
              name: photo-validator
              version: 1.0.0
              port: 7000
            mesh:
              retrys: 2          # auto-retry failed calls
            """
        #expect(
            rendered(text) == """
                ✘ hms.yml:6:3: unknown key mesh.retrys
                    6 │   retrys: 2          # auto-retry failed calls
                      │   ^^^^^^ did you mean retries?
                → keys of mesh: retries, timeout, perTryTimeout, mtls, upstreams, allow, egress, inbound, log

                """
        )
    }

    @Test("several faults are all told, in the order of the file")
    func several() {
        let text = """
            retries: 2
            service:
              name: Photo Validator
              port: 70000
              exposed: yes
            """
        #expect(
            rendered(text) == """
                ✘ hms.yml:1:1: unknown key retries
                    1 │ retries: 2
                      │ ^^^^^^^ did you mean mesh.retries?
                → keys of hms.yml: service, registry, mesh
                ✘ hms.yml:3:9: service.name: "Photo Validator" is not a service name: 1 to 63 of a-z, 0-9 and -, \
                with a letter or digit at both ends
                    3 │   name: Photo Validator
                      │         ^^^^^^^^^^^^^^^
                ✘ hms.yml:4:9: service.port: is not a number from 1 to 65535
                    4 │   port: 70000
                      │         ^^^^^
                ✘ hms.yml:5:12: service.exposed: is neither true nor false
                    5 │   exposed: yes
                      │            ^^^

                """
        )
    }

    @Test(
        "each fault is named with its place",
        arguments: [
            ("", "hms.yml: the file is empty"),
            ("# nothing\n", "hms.yml: the file is empty"),
            ("- a\n", "hms.yml:1:1: the file takes keys with values"),
            ("mesh: {}\n", "hms.yml:1:1: service is missing"),
            ("service:\n", "hms.yml:1:1: service takes keys with values"),
            ("service: { name: a }\n", "hms.yml:1:1: service.port is missing"),
            ("service: { port: 1 }\n", "hms.yml:1:1: service.name is missing"),
            ("service: { name: a, port: \"1\" }\n", "hms.yml:1:27: service.port: is not a number"),
            ("service: { name: a, port: 0 }\n", "hms.yml:1:27: service.port: is not a number from 1 to 65535"),
            ("service: { name: registry, port: 1 }\n", "the service name \"registry\" is reserved"),
            ("service: { name: a, port: 1, port: 2 }\n", "the key port is here twice"),
            ("service:\n  name: a\n  port: 1\n  name: b\n", "hms.yml:4:3: the key name is here twice"),
            ("service:\n\tname: a\n", "hms.yml:2:1: a tab indents this line"),
            ("service: &a { name: b, port: 1 }\nmesh: *a\n", "hms.yml:2:7: aliases are not taken here"),
            ("service: { name: b, port: 1 }\nmesh: { egress: [*.gov] }\n", "can't begin with * unless it is quoted"),
            ("service: { name: a, port: 1 }\n---\nservice: { name: a, port: 1 }\n", "found another document"),
            ("service: { name: a, port: 1\n", "not YAML: "),
            ("service: { name: a, port: 1, tags: blue }\n", "service.tags: takes a list"),
            ("service: { name: a, port: 1, weight: 10001 }\n", "service.weight: is not a number from 0 to 10000"),
            ("service: { name: a, port: 1, protocol: http2 }\n", "none of http1, h2c"),
            ("service: { name: a, port: 1, health: healthz }\n", "service.health: is no path"),
            ("service: { name: a, port: 1, repeatable: [validate] }\n", "takes METHOD /path"),
            ("service: { name: a, port: 1, command: [] }\n", "service.command: has no words"),
            ("service: { name: a, port: 1, command: }\n", "service.command: is neither"),
            ("service: { name: a, port: 1, metadata: [x] }\n", "service.metadata: takes keys with values"),
            ("service: { name: a, port: 1 }\nregistry: reg.gov.local\n", "hms.yml:2:11: registry: is no address"),
            ("service: { name: a, port: 1 }\nmesh: { timeout: 5 }\n", "mesh.timeout: is no duration"),
            ("service: { name: a, port: 1 }\nmesh: { timeout: 2h }\n", "mesh.timeout: is outside 1.0ms to 1h"),
            ("service: { name: a, port: 1 }\nmesh: { retries: 11 }\n", "is not a number from 0 to 10"),
            ("service: { name: a, port: 1 }\nmesh: { timeout: 1s, perTryTimeout: 2s }\n", "is longer than timeout"),
            ("service: { name: a, port: 1 }\nmesh: { upstreams: { B: {} } }\n", "\"B\" is not a service name"),
            (
                "service: { name: a, port: 1 }\nmesh: { upstreams: { b: { retrys: 1 } } }\n",
                "unknown key mesh.upstreams.b.retrys"
            ),
            ("service: { name: a, port: 1 }\nmesh: { allow: [\"user:ada\"] }\n", "names a single user"),
            ("service: { name: a, port: 1 }\nmesh: { egress: [\"a b\"] }\n", "mesh.egress: is no host"),
            ("service: { name: a, port: 1 }\nmesh: { egress: [\"a:99999\"] }\n", "mesh.egress: is no host"),
            ("service: { name: a, port: 1 }\nmesh: { inbound: nowhere }\n", "neither PORT nor HOST:PORT"),
            ("service: { name: a, port: 1 }\nmesh: { log: { path: ful } }\n", "none of full, masked, off"),
        ]
    )
    func fault(text: String, message: String) {
        #expect(rendered(text).contains(message), "\(rendered(text))")
    }

    @Test("what is too large or no text is refused before it is read")
    func bytes() {
        let large = #expect(throws: ManifestError.self) {
            _ = try parse("# " + String(repeating: "x", count: 64 * 1_024))
        }
        #expect(large?.code == .unreadable)
        for bytes: [UInt8] in [[0xFF, 0xFE, 0x00], [0x61, 0x00]] {
            let error = #expect(throws: ManifestError.self) { _ = try Manifest(parsing: bytes, file: "hms.yml") }
            #expect(error?.code == .unreadable)
        }
    }

    @Test("a page of aliases or of brackets is an error at once", .timeLimit(.minutes(1)))
    func bombs() {
        var aliases = "a: &a [x, x]\n"
        for level in 1..<40 { aliases += "? &b\(level) [*a, *a]\n: x\n" }
        let brackets = "service: " + String(repeating: "[", count: 60_000)
        let dashes = String(repeating: "- ", count: 30_000)
        let keys = String(repeating: "? ", count: 30_000)
        let hidden = "service: [\"x\n# \", *a, { \"b\":*a }]\n"
        for text in [aliases, brackets, dashes, keys, hidden] {
            let error = #expect(throws: ManifestError.self) { _ = try parse(text) }
            #expect(error?.code == .malformed)
        }
    }

    @Test("control characters of the file never reach the terminal, and long lines are cut around the place")
    func hostileText() {
        let escape = rendered("service: { name: \"a\\eb\", port: 1 }\n\"x\u{9b}31m\": 1\n")
        #expect(!escape.unicodeScalars.contains { $0.value == 0x1B || $0.value == 0x9B })
        let long = rendered("service: { name: a, port: 1, zone: \(String(repeating: "z", count: 5_000)), prot: 2 }\n")
        #expect(long.contains("unknown key service.prot"))
        #expect(long.split(separator: "\n").allSatisfy { $0.count < 240 })
        #expect(long.contains("^^^^ did you mean port?"))
    }
}

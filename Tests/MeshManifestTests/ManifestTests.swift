import RegistryModel
import TestSupport
import Testing

@testable import MeshManifest

func parse(_ text: String) throws -> Manifest {
    try Manifest(parsing: Array(text.utf8), file: "hms.yml")
}

@Suite("hms.yml")
struct ManifestTests {
    @Test("the shortest one is enough")
    func shortest() throws {
        let manifest = try parse(
            """
            service:
              name: photo-validator
              version: 1.0.0
              port: 7000
            mesh:
              retries: 2          # auto-retry failed calls
              timeout: 800ms
              mtls: true          # turn on mutual-TLS
            """
        )
        #expect(manifest.service.name.description == "photo-validator")
        #expect(manifest.service.version == "1.0.0")
        #expect(manifest.service.port == 7_000)
        #expect(manifest.service.command == nil)
        #expect(manifest.service.weight == Instance.defaultWeight)
        #expect(manifest.registry == nil)
        #expect(manifest.mesh.rules == Manifest.CallRules(retries: 2, timeout: .milliseconds(800)))
        #expect(manifest.mesh.usesMutualTLS)
        #expect(manifest.mesh.allow == nil)
        #expect(manifest.mesh.egress == nil)
        #expect(manifest.mesh.loggedPath == .masked)
    }

    @Test("everything that may stand in it is read")
    func everything() throws {
        let manifest = try parse(
            """
            service:
              name: identity-check
              version: 2.0
              port: 7001
              command: [node, server.js, "--port=7001"]
              health: /healthz
              protocol: h2c
              repeatable: ["POST /validate", GET /x]
              exposed: true
              proxyEnv: true
              tags: [blue, canary]
              zone: a
              weight: 0
              metadata: { rack: 7, owner: ada }
            registry: https://reg.gov.local:9000
            mesh:
              timeout: 2s
              perTryTimeout: 500ms
              mtls: false
              upstreams:
                payment-gateway: { retries: 0, timeout: 5m }
              allow: [photo-validator, "user:*"]
              egress: ["*.gov.local", api.example.com, "api.example.com:8443"]
              inbound: 10.1.3.4:17001
              log:
                path: off
            """
        )
        let service = manifest.service
        #expect(service.version == "2.0")
        #expect(service.command == .arguments(["node", "server.js", "--port=7001"]))
        #expect(service.health == "/healthz")
        #expect(service.applicationProtocol == .h2c)
        #expect(service.repeatable == ["POST /validate", "GET /x"])
        #expect(service.isExposed)
        #expect(service.setsProxyEnvironment)
        #expect(service.tags == ["blue", "canary"])
        #expect(service.zone == "a")
        #expect(service.weight == 0)
        #expect(
            service.metadata == [MetadataEntry(key: "owner", value: "ada"), MetadataEntry(key: "rack", value: "7")]
        )
        #expect(manifest.registry == "https://reg.gov.local:9000")
        let mesh = manifest.mesh
        #expect(mesh.rules.perTryTimeout == .milliseconds(500))
        #expect(!mesh.usesMutualTLS)
        let upstream = try #require(mesh.upstreams[ServiceName("payment-gateway")])
        #expect(upstream == Manifest.CallRules(retries: 0, timeout: .seconds(300)))
        #expect(mesh.allow?.services == [try ServiceName("photo-validator")])
        #expect(mesh.allow?.users == true)
        #expect(mesh.egress == ["*.gov.local", "api.example.com", "api.example.com:8443"])
        #expect(mesh.inbound == Manifest.ListenAddress(host: "10.1.3.4", port: 17_001))
        #expect(mesh.loggedPath == .off)
    }

    @Test("a command may be a line for the shell; lists that are empty allow nothing")
    func shellAndEmptyLists() throws {
        let manifest = try parse(
            """
            service: { name: a, port: 1, command: "npm start && echo *done" }
            mesh: { allow: [], egress: [], inbound: 17000 }
            """
        )
        #expect(manifest.service.command == .shell("npm start && echo *done"))
        #expect(manifest.mesh.allow?.services == [])
        #expect(manifest.mesh.allow?.users == false)
        #expect(manifest.mesh.egress == [])
        #expect(manifest.mesh.inbound == Manifest.ListenAddress(host: nil, port: 17_000))
    }

    // MARK: Finding

    @Test("it is found in the directory, else above it, and both names at once are an error")
    func find() throws {
        try withTemporaryDirectory { directory in
            _ = try runShell("mkdir -p \(directory)/a/b/c")
            try writeFile(directory + "/a/hms.yaml", Array("service: { name: a, port: 1 }".utf8))
            #expect(try Manifest.find(from: directory + "/a") == directory + "/a/hms.yaml")
            #expect(try Manifest.find(from: directory + "/a/b/c") == directory + "/a/hms.yaml")
            #expect(try Manifest.find(from: directory) == nil)
            #expect(try Manifest(contentsOf: directory + "/a/hms.yaml").service.name.description == "a")
            try writeFile(directory + "/a/hms.yml", Array("service: { name: a, port: 1 }".utf8))
            let error = #expect(throws: ManifestError.self) { _ = try Manifest.find(from: directory + "/a/b") }
            #expect(error?.code == .ambiguous)
            #expect(error?.description.contains("hms.yaml is there too") == true)
        }
    }

    @Test("above the directory, another user's file is passed over", .enabled(if: isRoot))
    func othersFile() throws {
        try withTemporaryDirectory { directory in
            _ = try runShell("mkdir \(directory)/a")
            try writeFile(directory + "/hms.yml", Array("service: { name: a, port: 1 }".utf8))
            _ = try runShell("chown 65534 \(directory)/hms.yml")
            #expect(try Manifest.find(from: directory + "/a") == nil)
            #expect(try Manifest.find(from: directory) == directory + "/hms.yml")
        }
    }

    @Test("a file that can't be read is told")
    func unreadable() throws {
        let error = #expect(throws: ManifestError.self) { _ = try Manifest(contentsOf: "/nowhere/hms.yml") }
        #expect(error?.code == .unreadable)
        #expect(error?.description == "/nowhere/hms.yml: can't be read: No such file or directory")
        let directory = #expect(throws: ManifestError.self) { _ = try Manifest(contentsOf: "/tmp") }
        #expect(directory?.code == .unreadable)
    }
}

private let isRoot = (try? runShell("test $(id -u) = 0"))?.status == 0

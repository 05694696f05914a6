import Foundation
import Glibc
import Mesh
import NIOCore
import NIOPosix
import Synchronization
import TestSupport

/// A registry and sidecars, all real, all below one temporary directory.
struct MeshFleet: Sendable {
    let directory: String
    var registry: Daemon
    private let sidecars = Sidecars()

    /// All that were started live as long as the fleet does.
    private final class Sidecars: Sendable {
        private let started = Mutex<[RunningProgram]>([])

        func keep(_ program: RunningProgram) {
            started.withLock { $0.append(program) }
        }
    }

    private init(directory: String, registry: Daemon) {
        self.directory = directory
        self.registry = registry
    }

    /// Runs `body` with a registry that has nothing in it; whatever still runs afterwards is killed.
    static func run(_ registryOptions: [String] = [], _ body: (inout MeshFleet) async throws -> Void) async throws {
        try await withTemporaryDirectory { directory in
            var fleet = MeshFleet(
                directory: directory,
                registry: try await Daemon.start(directory + "/data", registryOptions)
            )
            try await body(&fleet)
        }
    }

    /// Starts a sidecar and waits until it takes calls.
    ///
    /// - Parameters:
    ///   - port: of the application; nil: one where nobody listens, for a sidecar that only calls.
    ///   - service: more lines of the manifest's `service:` block, without their indent.
    ///   - mesh: the same of its `mesh:` block.
    ///   - outbound: `127.0.0.1:0` or `unix:PATH`
    ///   - environment: more of it.
    ///   - options: more of `hms-mesh run`.
    ///   - token: by which it joins at the TLS door that stands in it; nil: it goes by the registry's socket.
    func sidecar(
        _ name: String,
        id: String = "a",
        port: Int? = nil,
        service: [String] = [],
        mesh: [String] = [],
        outbound: String = "127.0.0.1:0",
        options: [String] = [],
        token: String? = nil,
        environment: [String: String] = [:]
    ) async throws -> FleetSidecar {
        let home = "\(directory)/\(name)-\(id)"
        try FileManager.default.createDirectory(atPath: home, withIntermediateDirectories: true)
        let port = if let port { port } else { try await Self.freePort() }
        let inboundPort = try await Self.freePort()
        let lines =
            ["service:", "  name: \(name)", "  port: \(port)"] + service.map { "  " + $0 }
            + ["mesh:", "  inbound: 127.0.0.1:\(inboundPort)"] + mesh.map { "  " + $0 }
        try writeFile(home + "/hms.yml", Array((lines.joined(separator: "\n") + "\n").utf8))
        let sidecar = try await FleetSidecar.start(
            FleetSidecar.Plan(
                name: name,
                id: id,
                port: port,
                inboundPort: inboundPort,
                home: home,
                arguments: ["run"] + (token == nil ? ["--registry", "unix:\(registry.socket)"] : []) + [
                    "--file", home + "/hms.yml", "--outbound", outbound,
                    "--id", id,
                ] + options,
                environment: ["XDG_STATE_HOME": directory + "/state", "XDG_RUNTIME_DIR": directory + "/run"]
                    .merging(token.map { ["HMS_TOKEN": $0] } ?? [:]) { $1 }
                    .merging(environment) { $1 }
            )
        )
        sidecars.keep(sidecar.program)
        return sidecar
    }

    /// An application with its sidecar, once the registry calls it healthy.
    func instance(
        _ name: String,
        id: String = "a",
        _ behavior: TestApplication.Behavior = .answer,
        service: [String] = [],
        mesh: [String] = []
    ) async throws -> (app: TestApplication, sidecar: FleetSidecar) {
        let app = try await TestApplication.start(id, behavior)
        let sidecar = try await sidecar(name, id: id, port: app.port, service: service, mesh: mesh)
        try await awaitRoutable(name, id)
        return (app, sidecar)
    }

    func awaitRoutable(_ name: String, _ id: String) async throws {
        try await eventually("\(name)/\(id) to be routable") {
            try registry.request("GET", "/v1/services/\(name)").body.contains(#""id":"\#(id)""#)
        }
    }

    /// A port where nobody listens.
    static func freePort() async throws -> Int {
        let listener = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .bind(host: "127.0.0.1", port: 0).get()
        let port = listener.localAddress?.port
        try await listener.close()
        guard let port else { throw ChannelError.unknownLocalAddress }
        return port
    }
}

/// A real `hms-mesh run`.
struct FleetSidecar: Sendable {
    struct Plan: Sendable {
        let name: String
        let id: String
        let port: Int
        let inboundPort: Int
        let home: String
        var arguments: [String]
        var environment: [String: String]
    }

    let plan: Plan
    let program: RunningProgram
    let outbound: String
    private let caller: SidecarCaller

    static func start(_ plan: Plan) async throws -> FleetSidecar {
        let file = "\(plan.home)/.hms/\(plan.name)-\(plan.port)/sidecar.json"
        // Of a sidecar before this one, killed.
        unlink(file)
        let program = try RunningProgram(
            "hms-mesh",
            plan.arguments,
            environment: plan.environment,
            logTo: plan.home,
            label: "mesh"
        )
        try await eventually("\(plan.name)'s sidecar") {
            FileManager.default.fileExists(atPath: file) || !program.isRunning
        }
        guard program.isRunning else {
            throw TimedOut(description: "\(plan.name)'s sidecar ended: \(program.output) \(program.errors)")
        }
        let outbound = try JSONValue(parsing: try readFile(file))["outbound"]?.text ?? ""
        return FleetSidecar(
            plan: plan,
            program: program,
            outbound: outbound,
            caller: try SidecarCaller(address: outbound)
        )
    }

    /// The same once more, after its end.
    func again() async throws -> FleetSidecar {
        try await Self.start(plan)
    }

    /// What the application beside it would send, and what it would get.
    func call(
        _ service: String,
        _ method: String = "GET",
        _ path: String = "/",
        headers: [(String, String)] = [],
        body: [UInt8] = []
    ) async throws -> SidecarCaller.Response {
        var request = SidecarCaller.Request(method: method, path: path)
        request.headers = [("host", service)] + headers.map { (name: $0.0, value: $0.1) }
        request.body = body
        return try await caller.call(request)
    }

    /// Calls until the answer is one that is waited for.
    func awaitAnswer(
        _ service: String,
        _ what: String,
        _ isIt: (SidecarCaller.Response) -> Bool
    ) async throws -> SidecarCaller.Response {
        var answer = try await call(service)
        try await eventually("\(what), not \(answer.status) \(answer.text)") {
            if isIt(answer) { return true }
            answer = try await call(service)
            return isIt(answer)
        }
        return answer
    }

    /// Lines of its access log.
    var accessLog: [JSONValue] {
        let path = "\(plan.environment["XDG_STATE_HOME"] ?? "")/hms/sidecars/\(plan.name)/\(plan.id)/access.log"
        let lines = ((try? readFile(path)) ?? []).split(separator: UInt8(ascii: "\n"))
        return lines.compactMap { try? JSONValue(parsing: Array($0)) }
    }
}

extension SidecarCaller.Response {
    var text: String { String(decoding: body, as: UTF8.self) }
    var code: String? { header("x-hms-error") }
    var delivered: String? { header("x-hms-delivered") }
}

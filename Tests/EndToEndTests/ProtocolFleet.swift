import Foundation
import RegistryModel
import TestSupport

/// A registry, the sidecar of a callee and the sidecar of its caller: the shortest way through both.
struct ProtocolFleet: Sendable {
    /// Where the caller's sidecar takes calls.
    let outboundPort: UInt16
    let callee: RunningProgram
    let caller: RunningProgram
    let directory: String

    /// - Parameter port: of the callee's application, which listens already.
    static func with(
        _ serviceProtocol: String = "http1",
        port: UInt16,
        _ body: (ProtocolFleet) async throws -> Void
    ) async throws {
        try await withTemporaryDirectory { directory in
            let daemon = try await Daemon.start(directory + "/data")
            // Nobody calls the caller; its sidecar waits for its port for as long as the test lasts.
            let caller = try sidecar("caller", "http1", port: freeApplicationPort(), daemon, in: directory)
            let callee = try sidecar("callee", serviceProtocol, port: port, daemon, in: directory)
            try await eventually("the callee to be healthy") {
                try await daemon.reg("lookup", "callee").exitCode == 0
            }
            var outbound: UInt16?
            try await eventually("the caller's sidecar.json") {
                outbound = outboundPort(in: directory + "/caller/.hms")
                return outbound != nil
            }
            guard let outbound else { return }
            try await body(
                ProtocolFleet(outboundPort: outbound, callee: callee, caller: caller, directory: directory)
            )
            for program in [caller, callee, daemon.program] { try await program.end() }
        }
    }

    func connect(receiveBuffer: Int32? = nil) throws -> Wire {
        try Wire(port: outboundPort, receiveBuffer: receiveBuffer)
    }

    /// One request to the callee, on a connection of its own that ends after it.
    func ask(_ request: String) throws -> String {
        let wire = try connect()
        try wire.send(request)
        return try wire.readToEnd()
    }

    /// Of the caller's sidecar and the callee's.
    func residentBytes() throws -> [Int] {
        try [caller, callee].map { program in
            let fields = try String(contentsOfFile: "/proc/\(program.pid)/statm", encoding: .utf8).split(separator: " ")
            return (Int(fields[1]) ?? 0) * Int(sysconf(Int32(_SC_PAGESIZE)))
        }
    }

    /// `curl` with the outbound address for every name.
    func curl(_ arguments: String..., path: String) async throws -> Program.Result {
        try await Program.run(
            "/usr/bin/curl",
            ["--silent", "--show-error", "--max-time", "10", "--connect-to", "::127.0.0.1:\(outboundPort)"]
                + arguments + ["http://callee\(path)"]
        )
    }

    private static func sidecar(
        _ service: String,
        _ serviceProtocol: String,
        port: UInt16,
        _ daemon: Daemon,
        in directory: String
    ) throws -> RunningProgram {
        let folder = "\(directory)/\(service)"
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        let manifest = """
            service:
              name: \(service)
              version: 1.0.0
              port: \(port)
              protocol: \(serviceProtocol)
            mesh:
              timeout: 5s
            """
        try writeFile(folder + "/hms.yml", Array(manifest.utf8))
        return try RunningProgram(
            "hms-mesh",
            [
                "run", "--registry", "unix:\(daemon.socket)", "--file", folder + "/hms.yml", "--port", "\(port)",
                "--outbound", "127.0.0.1:0", "--id", "\(service)-1",
            ],
            environment: ["XDG_STATE_HOME": folder + "/state", "XDG_RUNTIME_DIR": folder],
            logTo: directory,
            label: service
        )
    }

    private static func outboundPort(in folder: String) -> UInt16? {
        for name in (try? directoryEntries(folder)) ?? [] {
            guard let bytes = try? readFile("\(folder)/\(name)/sidecar.json"),
                case .string(let address) = (try? JSONValue(parsing: bytes))?["outbound"]
            else { continue }
            return address.split(separator: ":").last.flatMap { UInt16($0) }
        }
        return nil
    }
}

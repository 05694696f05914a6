import Foundation
import RegistryClient

/// A real `hms-regd` on a directory of its own.
struct Daemon: Sendable {
    let data: String
    let program: RunningProgram
    /// `host:port` of the plain door; of the TLS door where the options name one.
    let plainAddress: String

    /// Starts one and waits for its line.
    static func start(
        _ data: String,
        _ options: [String] = [],
        environment: [String: String] = [:],
        label: String = "regd"
    ) async throws -> Daemon {
        let program = try RunningProgram(
            "hms-regd",
            ["--data", data, "--socket", "none", "--listen", "none", "--plain-listen", "127.0.0.1:0", "--reserve", "0"]
                + options,
            environment: environment,
            logTo: URL(fileURLWithPath: data).deletingLastPathComponent().path,
            label: label
        )
        try await eventually("the daemon's line") { program.output.contains("\n") || !program.isRunning }
        guard let line = program.output.split(separator: "\n").first, line.hasPrefix("HMS-REG ready at ") else {
            throw TimedOut(description: "the daemon did not start: \(program.errors)")
        }
        let address = line.dropFirst("HMS-REG ready at ".count).prefix { $0 != " " }
        return Daemon(data: data, program: program, plainAddress: String(address))
    }

    var socket: String { data + "/regd.sock" }

    var address: RegistryAddress {
        get throws { try RegistryAddress(socket: socket) }
    }

    /// `hms-reg` against this daemon.
    func reg(_ arguments: String..., input: String? = nil) async throws -> Program.Result {
        try await reg(arguments, input: input)
    }

    func reg(_ arguments: [String], input: String? = nil) async throws -> Program.Result {
        try await Program.run("hms-reg", ["--data", data] + arguments, input: input)
    }

    /// One request on a connection of its own; bytes as they are.
    func request(_ method: String, _ path: String, _ body: String = "", headers: String = "") throws -> RawAnswer {
        try RawAnswer.of(
            "\(method) \(path) HTTP/1.1\r\nhost: registry\r\ncontent-length: \(body.utf8.count)\r\n"
                + "connection: close\r\n\(headers)\r\n\(body)",
            socket: socket
        )
    }
}

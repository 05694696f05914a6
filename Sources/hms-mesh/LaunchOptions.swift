import ArgumentParser
import Identity
import MeshManifest
import RegistryModel
import Supervision
import Terminal

/// What `dev` and `run` have in common.
struct LaunchOptions: ParsableArguments {
    @Option(help: ArgumentHelp("The manifest (default: hms.yml here or above).", valueName: "hms.yml"))
    var file: String?

    @Option(help: ArgumentHelp("Registry: unix:PATH or https://HOST:PORT.", valueName: "address"))
    var registry: String?

    @Option(
        help: ArgumentHelp("Holds a join token, as HMS_TOKEN does; - for standard input.", valueName: "file")
    )
    var tokenFile: String?

    @Option(help: ArgumentHelp("The application's port, instead of service.port.", valueName: "n"))
    var port: UInt16?

    @Option(help: ArgumentHelp("Instance id (default: <host>-<port>).", valueName: "id"))
    var id: String?

    @Option(
        help: ArgumentHelp(
            "Where the application's calls are taken: HOST:PORT or unix:PATH (default: run 127.0.0.1:9011, dev and where that is taken a free port).",
            valueName: "address"
        )
    )
    var outbound: String?

    @Option(
        help: ArgumentHelp(
            "What others dial: HOST or HOST:PORT. By default loopback with a registry on this machine, else the address that the registry is reached from.",
            valueName: "host[:port]"
        )
    )
    var advertise: String?

    @Option(help: ArgumentHelp("Serve metrics and health here.", valueName: "host:port"))
    var adminListen: String?

    @Option(help: ArgumentHelp("Event loops of the sidecar.", valueName: "n"))
    var threads = 1

    @OptionGroup var printing: OutputOptions

    @Argument(
        parsing: .postTerminator,
        help: ArgumentHelp("The application, instead of service.command.", valueName: "cmd")
    )
    var command: [String] = []

    mutating func validate() throws {
        guard (1...256).contains(threads) else { throw ValidationError("--threads takes 1 to 256") }
        guard port != 0 else { throw ValidationError("--port takes 1 to 65535") }
    }

    static let tokenVariable = "HMS_TOKEN"

    /// Of `--token-file`, else of the environment; never of an argument, which all of the machine could read.
    ///
    /// - Throws: exit code 2 for what is no join token.
    func joinToken(_ environment: [String: String]) throws -> JoinToken? {
        let text = try tokenFile.map { try TextFile.contents(of: $0) } ?? environment[Self.tokenVariable] ?? ""
        guard tokenFile != nil || !text.isEmpty else { return nil }
        do {
            return try JoinToken(String(text.drop(while: \.isWhitespace).prefix { !$0.isWhitespace }))
        } catch {
            throw CommandError(
                error.message,
                hint: "an operator makes one: hms-reg token create --service NAME",
                exitCode: .usage
            )
        }
    }

    /// The manifest that is named, or found here or above.
    ///
    /// - Throws: exit code 2, with everything that is wrong with it.
    func manifest() throws -> Manifest {
        do {
            guard let path = try file ?? Manifest.find() else {
                throw CommandError(
                    "No hms.yml here or above",
                    hint: "ten lines are enough: service: {name: photo-validator, port: 7000}",
                    exitCode: .usage
                )
            }
            return try Manifest(contentsOf: path)
        } catch let error as ManifestError {
            let output = printing.output
            output.note(String(error.rendered(output.errorStyle, output.symbols).dropLast()))
            throw ExitCode.usage
        }
    }
}

/// `HOST:PORT`, `[::1]:PORT`
struct HostAndPort {
    let host: String
    let port: UInt16

    init?(_ text: String) {
        guard let colon = text.lastIndex(of: ":"), let port = UInt16(text[text.index(after: colon)...]) else {
            return nil
        }
        var host = text[..<colon]
        if host.hasPrefix("["), host.hasSuffix("]") { host = host.dropFirst().dropLast() }
        guard !host.isEmpty else { return nil }
        self.host = String(host)
        self.port = port
    }
}

import ArgumentParser
import EventLog
import Glibc
import RegistryClient
import RegistryModel
import Replay
import Terminal

struct FetchCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "fetch",
        abstract: "An auditor's own copy of a registry's log, with its checkpoint and key, verified when it has come.",
        discussion: """
            Goes on where an earlier fetch into the same directory ended. The copy holds decisions, not heartbeats.

            EXAMPLES
              hms-replay fetch --registry unix:/var/lib/hms/regd.sock -o ./copy
              hms-replay verify --data ./copy --checkpoint kept.note --key kept.vkey
            """
    )

    @Option(help: ArgumentHelp("unix:PATH of the daemon's socket (default: HMS_REGISTRY).", valueName: "address"))
    var registry: String?

    @Option(name: [.short, .long], help: ArgumentHelp("The copy: made, or gone on with.", valueName: "dir"))
    var out: String

    @OptionGroup var options: OutputOptions

    func run() async throws {
        let output = options.output
        let address = try address()
        let fetched: UInt64
        do {
            fetched = try await RegistryConnection.withConnection(to: address) { try await copy(from: $0) }
        } catch let error as RegistryClientError {
            let isUnreached = [.unreachable, .interrupted, .untrustedRegistry].contains(error.code)
            let code: ExitCode = isUnreached ? .unreachable : error.isRefusal ? .notAllowed : .notSo
            throw CommandError(error.message, hint: error.hint, exitCode: code)
        }
        let result = try answering { try LogVerification.run(try AuditSource(dataDirectory: out)) }
        if options.json {
            output.write(VerificationText.json(result))
        } else {
            output.note("\(output.errorStyle.green(output.symbols.done)) \(HumanText.bytes(fetched)) came to \(out)")
            output.write(VerificationText(result, output, "--data \(out)").rendered)
        }
        if result.verdict == .damaged { throw ExitCode.notSo }
    }

    private func address() throws -> RegistryAddress {
        guard let named = registry ?? Environment.variable("HMS_REGISTRY"), !named.isEmpty else {
            throw CommandError("no registry is named", hint: "--registry unix:DATA/regd.sock", exitCode: .usage)
        }
        do {
            return try RegistryAddress(named)
        } catch {
            throw CommandError(error.message, hint: error.hint, exitCode: .usage)
        }
    }

    /// - Returns: bytes that came.
    private func copy(from connection: RegistryConnection) async throws -> UInt64 {
        for directory in [out, out + "/log"] {
            guard mkdir(directory, 0o700) == 0 || errno == EEXIST else {
                throw CommandError(
                    "can't make \(directory): \(String(cString: strerror(errno)))",
                    exitCode: .unreachable
                )
            }
        }
        // The note first: the log that comes afterwards covers it.
        let note = try await connection.checkpoint()
        let segments = try await connection.logSegments()
        let total = segments.reduce(0) { $0 + $1.bytes }
        let bar = ProgressBar("fetching", noun: "bytes")
        defer { bar.finish() }
        var done: UInt64 = 0
        var fetched: UInt64 = 0
        for segment in segments {
            let file = try answering {
                try GrowingFile(path: LogReader.path(of: segment.first, in: out + "/log"))
            }
            done += min(file.size, segment.bytes)
            while file.size < segment.bytes {
                let piece = try await connection.logBytes(of: segment.first, at: file.size)
                guard !piece.isEmpty else { break }
                try answering { try file.append(piece) }
                done += UInt64(piece.count)
                fetched += UInt64(piece.count)
                bar.update(done, of: total)
            }
            try answering { try file.sync() }
        }
        if let note {
            let key = try await connection.checkpointKey()
            try answering {
                try SmallFile.publish(note, as: out + "/checkpoint.note")
                try SmallFile.publish(key + "\n", as: out + "/checkpoint.vkey")
            }
        }
        return fetched
    }
}

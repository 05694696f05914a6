import ArgumentParser
import EventLog
import OpenSSLCrypto
import RegistryModel
import Replay
import Terminal

struct VerifyCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "verify",
        abstract: "Whether the record is whole, and how far anybody can know.",
        discussion: """
            Looks at every checksum, length, sequence, time, leaf, root, signature and state, and goes on behind damage \
            to list all of it. Ends with one of three verdicts:
              INTACT                    whole, and fitting a checkpoint or key that was kept elsewhere
              CONSISTENT, NOT ANCHORED  whole in itself; whoever holds the registry's key could have made it anew
              DAMAGED                   with the place of each damage; exit code 1

            EXAMPLES
              hms-replay verify --data ./data
              hms-replay verify --data ./data --no-states
              hms-replay verify --data ./copy --checkpoint kept/1200Z.note --key kept/registry.vkey --require-anchor
            """
    )

    @Option(help: ArgumentHelp("A checkpoint that was kept elsewhere; may be given again.", valueName: "file"))
    var checkpoint: [String] = []

    @Option(
        help: ArgumentHelp(
            "The registry's public key as it was kept elsewhere: a vkey, or a file; may be given again.",
            valueName: "vkey"
        )
    )
    var key: [String] = []

    @Flag(help: "End with 1 unless the verdict is INTACT.")
    var requireAnchor = false

    @Flag(
        help: ArgumentHelp(
            "Do not compare states: several times as fast.",
            discussion: """
                What was changed, cut or reordered is found all the same; what is not found is a registry whose state was \
                another than its own record says.
                """
        )
    )
    var noStates = false

    @OptionGroup var source: SourceOptions
    @OptionGroup var options: OutputOptions

    func run() async throws {
        let output = options.output
        let result = try answering {
            let trusted = try key.map { try Self.noteKey($0) }
            let bar = ProgressBar("verifying", noun: "bytes")
            defer { bar.finish() }
            return try LogVerification.run(
                try source.open(),
                notes: checkpoint,
                trusted: trusted,
                comparesStates: !noStates
            ) {
                bar.update($0, of: $1)
            }
        }
        if options.json {
            output.write(VerificationText.json(result))
        } else {
            output.write(VerificationText(result, output, source.text).rendered)
        }
        if result.verdict == .damaged || requireAnchor && result.verdict != .intact { throw ExitCode.notSo }
    }

    static func noteKey(_ text: String) throws -> NoteKey {
        if let key = try? NoteKey(vkey: text) { return key }
        let lines = try SmallFile.read(text).split(separator: "\n")
        return try NoteKey(vkey: lines.first ?? "")
    }
}

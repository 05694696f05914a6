import ArgumentParser
import EventLog
import RegistryModel
import Replay
import Terminal

struct ProveCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "prove",
        abstract:
            "A proof for a stranger: that an event is on record, or that a checkpoint's log is a prefix of today's.",
        discussion: """
            EXAMPLES
              hms-replay prove 48148 --data ./data -o event.tlog-proof
              hms-replay prove --from kept/1200Z.note --data ./data
            """
    )

    @Argument(help: "The event.")
    var sequence: UInt64?

    @Option(help: ArgumentHelp("A checkpoint that was kept: prove it a prefix of the newest one.", valueName: "file"))
    var from: String?

    @Option(name: [.short, .long], help: ArgumentHelp("Write it there; must not be there yet.", valueName: "file"))
    var out: String?

    @OptionGroup var source: SourceOptions
    @OptionGroup var options: OutputOptions

    func validate() throws {
        guard (sequence == nil) != (from == nil) else {
            throw ValidationError("say what to prove: an event's sequence, or --from FILE")
        }
    }

    func run() async throws {
        let proof = try answering {
            let opened = try source.open()
            if let from { return try HistoryProof.consistency(from: from, in: opened) }
            return try HistoryProof.inclusion(of: SequenceNumber(max(1, sequence ?? 1)), in: opened)
        }
        guard let out else { return options.output.write(proof) }
        try answering { try SmallFile.create(proof, at: out) }
        options.output.note("\(options.output.errorStyle.green(options.output.symbols.done)) \(out)")
    }
}

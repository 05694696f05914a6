import ArgumentParser
import RegistryModel
import Replay
import Terminal

struct HistoryCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "history",
        abstract: "Everything that befell a service, or one instance of it.",
        discussion: """
            EXAMPLES
              hms-replay history identity-check --data ./data
              hms-replay history identity-check/ws14-7001 --data ./data --json
            """
    )

    @Argument(help: ArgumentHelp("A service, or service/id.", valueName: "service"))
    var subject: String

    @Option(help: ArgumentHelp("From this moment on.", valueName: "time"))
    var since: MomentArgument?

    @Option(help: ArgumentHelp("Through this moment.", valueName: "time"))
    var until: MomentArgument?

    @OptionGroup var source: SourceOptions
    @OptionGroup var options: OutputOptions

    func run() async throws {
        let lines = EventLines(options.output, isJSON: options.json)
        try answering {
            let parts = subject.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
            var query = EventQuery()
            query.service = try ServiceName(String(parts[0]))
            query.instance = try parts.count > 1 ? InstanceID(String(parts[1])) : nil
            query.since = since?.moment
            query.until = until?.moment
            try query.run(in: try source.open()) { event in
                lines.show(event)
                return true
            }
        }
        if lines.shown == 0 {
            throw CommandError(
                "nothing is recorded of \(subject)",
                hint: "what there was at a moment: hms-replay state --at TIME",
                exitCode: .notSo
            )
        }
    }
}

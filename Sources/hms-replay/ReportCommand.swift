import ArgumentParser
import EventLog
import RegistryModel
import Replay
import Terminal

struct ReportCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "report",
        abstract:
            "An incident on one page of HTML: who was routable when, what befell whom, and whether the record is whole.",
        discussion: """
            EXAMPLES
              hms-replay report --since 13:30 --until 14:30 --data ./copy -o incident.html
              hms-replay report --since 1h --service identity-check --data ./data -o incident.html
            """
    )

    @Option(help: ArgumentHelp("From this moment on (default: 1h).", valueName: "time"))
    var since: MomentArgument?

    @Option(help: ArgumentHelp("Through this moment (default: now).", valueName: "time"))
    var until: MomentArgument?

    @Option(help: ArgumentHelp("Only this service.", valueName: "service"))
    var service: String?

    @Option(help: ArgumentHelp("Of the page.", valueName: "text"))
    var title = "Incident report"

    @Option(help: ArgumentHelp("A checkpoint that was kept elsewhere; may be given again.", valueName: "file"))
    var checkpoint: [String] = []

    @Option(
        help: ArgumentHelp("The registry's public key as it was kept elsewhere; may be given again.", valueName: "vkey")
    )
    var key: [String] = []

    @Option(name: [.short, .long], help: ArgumentHelp("Write it there; must not be there yet.", valueName: "file"))
    var out: String

    @OptionGroup var source: SourceOptions
    @OptionGroup var options: OutputOptions

    func run() async throws {
        let output = options.output
        let page = try answering { try makePage() }
        try answering { try SmallFile.create(page, at: out) }
        output.note("\(output.errorStyle.green(output.symbols.done)) \(out)")
    }

    private func makePage() throws -> String {
        let opened = try source.open()
        let end = try (until?.moment ?? .now).resolve(in: opened)
        var start: HistoryPosition
        if let since {
            start = try since.moment.resolve(in: opened)
        } else {
            let time = max(end.time.advanced(by: .seconds(-3_600)), try opened.firstTime ?? end.time)
            start = try Moment.time(time).resolve(in: opened)
        }
        guard start.sequence <= end.sequence else { throw ReplayError(.usage, "--since lies behind --until") }
        let bar = ProgressBar("verifying", noun: "bytes")
        defer { bar.finish() }
        let verification = try LogVerification.run(
            opened,
            notes: checkpoint,
            trusted: try key.map { try VerifyCommand.noteKey($0) }
        ) { bar.update($0, of: $1) }
        let report = try IncidentReport.of(
            opened,
            since: start,
            until: end,
            service: try service.map { try ServiceName($0) },
            verification: verification
        )
        return IncidentPage(report, title: title, program: "hms-replay \(ProductVersion.current)").html
    }
}

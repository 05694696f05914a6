import ArgumentParser
import RegistryClient
import RegistryModel
import Terminal

struct GuardCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "guard",
        abstract: "The mass expiry guard: show it, end it, or have it hold.",
        discussion: """
            When over a third of all instances fall silent at once, the registry suspects itself or its network and \
            removes nobody. release: they are really dead, let them expire. hold: remove nobody until released, for \
            work on the network.

            Ends with 1 while the guard holds.

            EXAMPLES
              hms-reg guard
              hms-reg guard release
            """
    )

    enum Action: String, ExpressibleByArgument, CaseIterable {
        case release
        case hold
    }

    @Argument(help: "release or hold; without: show.")
    var action: Action?

    @OptionGroup var registry: RegistryOptions
    @OptionGroup var options: OutputOptions

    func run() async throws {
        let report = try await registry.withConnection { connection in
            switch action {
            case nil: try await connection.guardReport()
            case .release: try await connection.overrideGuard(.release)
            case .hold: try await connection.overrideGuard(.hold)
            }
        }
        let output = options.output
        if options.json {
            output.write(Self.json(report))
        } else if report.isActive {
            output.write(Self.lines(of: report, output.style, output.symbols))
        } else {
            output.write("\(output.style.green(output.symbols.done)) guard off\n")
        }
        if report.isActive, action == nil { throw ExitCode.notSo }
    }

    /// What `status` shows too.
    static func lines(of report: GuardReport, _ style: Style, _ symbols: Symbols) -> String {
        let elapsed = report.since.map { max(1_000, WallClock.now().since($0).milliseconds) } ?? 1_000
        let since = HumanText.duration(milliseconds: Double(elapsed))
        let held = report.isHeld ? ", by an operator's word" : ""
        return """
            \(style.yellow("\(symbols.warning) guard ON since \(since)\(held): \(report.why)"))
              nothing is removed for silence, answers say protected; suspect this machine or its network first
            \(symbols.next) really dead? hms-reg guard release

            """
    }

    private static func json(_ report: GuardReport) -> String {
        var json = JSONWriter()
        json.beginObject()
        json.member("active", report.isActive)
        json.member("held", report.isHeld)
        if let since = report.since { json.member("since", since) }
        if !report.why.isEmpty { json.member("why", report.why) }
        json.endObject()
        return json.string + "\n"
    }
}

import ArgumentParser
import RegistryClient
import RegistryModel
import Terminal

struct HistoryCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "history",
        abstract: "What befell a service, or one instance of it.",
        discussion: """
            The newest thousand events, from the registry's own log; hms-replay history has all.

            EXAMPLES
              hms-reg history identity-check
              hms-reg history identity-check/ws14-7001 --json
            """
    )

    @Argument(help: ArgumentHelp("A service, or service/id.", valueName: "service"))
    var subject: String

    @OptionGroup var registry: RegistryOptions
    @OptionGroup var options: OutputOptions

    /// An event as the registry tells it.
    private struct Told {
        var sequence: UInt64 = 0
        var time = ""
        var instance: String?
        var text = ""
        var actor = ""
    }

    func run() async throws {
        let parts = subject.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
        let name = try checked { try ServiceName(String(parts[0])) }
        let id = try parts.count > 1 ? checked { try InstanceID(String(parts[1])) } : nil
        let answer = try await registry.withConnection { try await $0.historyDocument(name, id) }
        let output = options.output
        if options.json { return output.write(answer.body + [UInt8(ascii: "\n")]) }
        let events = try checked { try JSONReader.parse(answer.body, Self.events) }
        var table = Table([
            .init("TIME"), .init("SEQUENCE", .right), .init("INSTANCE"), .init("WHAT"), .init("BY"),
        ])
        for event in events {
            let seconds = Timestamp(rfc3339: event.time).map(\.unixSeconds) ?? 0
            table.append([
                .init(LocalTime.full(unixSeconds: seconds), .dim), .init("\(event.sequence)", .dim),
                .init(event.instance ?? "-"), .init(event.text), .init(event.actor, .dim),
            ])
        }
        output.table(table)
    }

    private static func events(_ json: inout JSONReader) throws(RegistryModelError) -> [Told] {
        var events: [Told] = []
        try json.object { (json, key) throws(RegistryModelError) in
            guard key == "events" else { return try json.skip() }
            try json.array { (json) throws(RegistryModelError) in
                var event = Told()
                try json.object { (json, key) throws(RegistryModelError) in
                    switch key {
                    case "sequence": event.sequence = try json.integer()
                    case "time": event.time = try json.string()
                    case "instance": event.instance = try json.string()
                    case "text": event.text = try json.string()
                    case "actor": event.actor = try json.string()
                    default: try json.skip()
                    }
                }
                events.append(event)
            }
        }
        return events
    }
}

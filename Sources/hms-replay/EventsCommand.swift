import ArgumentParser
import EventLog
import RegistryModel
import Replay
import Terminal

struct EventsCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "events",
        abstract: "What happened, event by event.",
        discussion: """
            EXAMPLES
              hms-replay events --data ./data --since 15m
              hms-replay events --data ./data --service photo-validator --type health_changed
              hms-replay events --data ./data --actor "uid 1001" --json
              hms-replay events --data ./data --follow
            """
    )

    @Option(help: ArgumentHelp("From this moment on.", valueName: "time"))
    var since: MomentArgument?

    @Option(help: ArgumentHelp("Through this moment.", valueName: "time"))
    var until: MomentArgument?

    @Option(help: ArgumentHelp("Only about this service.", valueName: "service"))
    var service: String?

    @Option(help: ArgumentHelp("Only about instances of this id.", valueName: "id"))
    var instance: String?

    @Option(help: ArgumentHelp("Only of this kind; may be given again.", valueName: "kind"))
    var type: [String] = []

    @Option(help: ArgumentHelp("Only by whoever's name has this in it.", valueName: "text"))
    var actor: String?

    @Flag(help: "Go on with what happens next.")
    var follow = false

    @OptionGroup var source: SourceOptions
    @OptionGroup var options: OutputOptions

    func run() async throws {
        let output = options.output
        let query = try answering { try makeQuery() }
        let opened = try answering { try source.open() }
        let lines = EventLines(output, isJSON: options.json)
        let reached: SequenceNumber = try answering {
            try query.run(in: opened) { event in
                lines.show(event)
                return true
            }
        }
        guard follow else {
            if lines.shown == 0 {
                throw CommandError(
                    "no such event is recorded",
                    hint: type.isEmpty ? nil : "which kinds are, and how many of each: hms-replay stats",
                    exitCode: .notSo
                )
            }
            return
        }
        let start =
            try reached > SequenceNumber.none ? reached.next : answering { try opened.logReader().lastSequence.next }
        var follower = try answering { try LogFollower(directory: opened.log, from: start) }
        while !Task.isCancelled {
            try Self.poll(&follower, query, lines)
            try await Task.sleep(for: .milliseconds(200))
        }
    }

    private static func poll(_ follower: inout LogFollower, _ query: EventQuery, _ lines: EventLines) throws {
        _ = try follower.poll { event, _ in
            if query.matches(event) { lines.show(event) }
        }
    }

    private func makeQuery() throws -> EventQuery {
        var query = EventQuery()
        query.since = since?.moment
        query.until = until?.moment
        query.service = try service.map { try ServiceName($0) }
        query.instance = try instance.map { try InstanceID($0) }
        query.kinds = Set(type)
        query.actor = actor
        return query
    }
}

/// Events, a line each, as they come.
final class EventLines {
    private let output: Output
    private let isJSON: Bool
    private(set) var shown = 0

    init(_ output: Output, isJSON: Bool) {
        self.output = output
        self.isJSON = isJSON
    }

    func show(_ event: Event) {
        shown += 1
        if isJSON {
            var json = JSONWriter()
            event.write(to: &json)
            output.write(json.bytes + [UInt8(ascii: "\n")])
            return
        }
        let summary = EventSummary(event)
        let subject = summary.instance.map { "\($0)" } ?? summary.service.map { "\($0)" } ?? "registry"
        let request = event.requestID.isEmpty ? "" : ", request \(event.requestID)"
        let style = output.style
        output.write(
            "\(style.dim(event.time.utcText))  \(style.dim("\(event.sequence)"))  \(style.bold(subject))  \(summary.text)"
                + (event.actor == nil ? "" : style.dim("  by \(event.actorText)\(request)")) + "\n"
        )
    }
}

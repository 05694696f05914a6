import ArgumentParser
import RegistryModel
import Replay
import Terminal

struct StatsCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "stats",
        abstract: "How much of what the record holds.",
        discussion: """
            EXAMPLES
              hms-replay stats --data ./data
              hms-replay stats --data ./data --json | jq .kinds
            """
    )

    @OptionGroup var source: SourceOptions
    @OptionGroup var options: OutputOptions

    func run() async throws {
        let output = options.output
        let statistics = try answering { try LogStatistics.of(try source.open()) }
        if options.json { return output.write(Self.json(statistics)) }
        guard let first = statistics.first, let last = statistics.last else {
            throw CommandError("nothing is recorded here yet", exitCode: .notSo)
        }
        let separator = " \(output.symbols.separator) "
        let lines = [
            ("events", "\(HumanText.count(statistics.events)), \(first.sequence) to \(last.sequence)"),
            ("time", "\(first.time.utcText) to \(last.time.utcText)"),
            ("heartbeats", HumanText.count(statistics.heartbeats)),
            (
                "disk",
                "log \(HumanText.bytes(statistics.logBytes))\(separator)beats \(HumanText.bytes(statistics.beatsBytes))"
            ), ("starts", "\(statistics.starts), \(statistics.crashes) of them after a crash"),
        ]
        for (name, text) in lines {
            output.write(output.style.bold(name) + String(repeating: " ", count: 12 - name.count) + text + "\n")
        }
        Self.show("KIND", statistics.kinds.map { ($0.key, $0.value) }, output)
        Self.show("SERVICE", statistics.services.map { ($0.key.description, $0.value) }, output)
        Self.show("ACTOR", statistics.actors.map { ($0.key, $0.value) }, output)
        Wording.note(statistics.clockSteps + statistics.restores, output)
    }

    /// The most frequent first; of many only these.
    private static let rows = 20

    private static func show(_ name: String, _ counts: [(String, UInt64)], _ output: Output) {
        var table = Table([.init("EVENTS", .right), .init(name)])
        for (text, count) in counts.sorted(by: { ($1.1, $0.0) < ($0.1, $1.0) }).prefix(rows) {
            table.append([.init(HumanText.count(count)), .init(text)])
        }
        output.write("\n")
        output.table(table)
        if counts.count > rows { output.note(output.errorStyle.dim("and \(counts.count - rows) more")) }
    }

    private static func json(_ statistics: LogStatistics) -> [UInt8] {
        var json = JSONWriter(reservingCapacity: 2_048)
        func counts(_ name: String, _ counts: [(String, UInt64)]) {
            json.key(name)
            json.beginObject()
            for (text, count) in counts.sorted(by: { $0.0 < $1.0 }) { json.member(text, count) }
            json.endObject()
        }
        json.beginObject()
        json.member("events", statistics.events)
        if let first = statistics.first {
            json.member("first_sequence", first.sequence.rawValue)
            json.member("first_time", first.time)
        }
        if let last = statistics.last {
            json.member("last_sequence", last.sequence.rawValue)
            json.member("last_time", last.time)
        }
        json.member("heartbeats", statistics.heartbeats)
        json.member("log_bytes", statistics.logBytes)
        json.member("beats_bytes", statistics.beatsBytes)
        json.member("starts", statistics.starts)
        json.member("unclean_starts", statistics.crashes)
        json.member("clock_steps", statistics.clockSteps.count)
        json.member("restores", statistics.restores.count)
        counts("kinds", statistics.kinds.map { ($0.key, $0.value) })
        counts("services", statistics.services.map { ($0.key.description, $0.value) })
        counts("actors", statistics.actors.map { ($0.key, $0.value) })
        json.endObject()
        return json.bytes + [UInt8(ascii: "\n")]
    }
}

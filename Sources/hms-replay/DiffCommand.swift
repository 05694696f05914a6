import ArgumentParser
import RegistryModel
import Replay
import Terminal

struct DiffCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "diff",
        abstract: "What changed between two moments.",
        discussion: """
            EXAMPLES
              hms-replay diff 14:00 14:05 --data ./data
              hms-replay diff 48000 now --data ./data --json
            """
    )

    @Argument(help: ArgumentHelp("The earlier moment.", valueName: "time"))
    var from: MomentArgument

    @Argument(help: ArgumentHelp("The later moment.", valueName: "time"))
    var to: MomentArgument

    @OptionGroup var source: SourceOptions
    @OptionGroup var options: OutputOptions

    func run() async throws {
        let output = options.output
        let (old, new) = try answering {
            let opened = try source.open()
            return (try reconstruct(from.moment, opened), try reconstruct(to.moment, opened))
        }
        Wording.warn(old.warnings, output)
        let diff = StateDiff(from: old.store, to: new.store)
        if options.json {
            output.write(Self.json(old.position, new.position, diff))
        } else {
            for change in diff.changes { output.write(Self.line(change, output.style)) }
            Wording.note(new.remarks.filter { $0.sequence > old.position.sequence }, output)
            let facts = [
                HumanText.counted(UInt64(diff.changes.count), "change"),
                "\(old.position.sequence) to \(new.position.sequence)",
                "\(old.position.time.utcText) to \(new.position.time.utcText)",
            ]
            output.note(output.errorStyle.dim(facts.joined(separator: " \(output.symbols.separator) ")))
        }
    }

    private static func line(_ change: StateDiff.Change, _ style: Style) -> String {
        let name = change.instance.map { "\(change.service)/\($0)" } ?? change.service.description
        let text = change.facts.joined(separator: ", ")
        switch change.kind {
        case .added: return style.green("+ \(name)") + "  \(text)\n"
        case .removed: return style.red("- \(name)") + "  \(text)\n"
        case .changed: return style.yellow("~ \(name)") + "  \(text)\n"
        }
    }

    private static func json(_ old: HistoryPosition, _ new: HistoryPosition, _ diff: StateDiff) -> [UInt8] {
        var json = JSONWriter(reservingCapacity: 4_096)
        json.beginObject()
        json.member("from_sequence", old.sequence.rawValue)
        json.member("from_time", old.time)
        json.member("to_sequence", new.sequence.rawValue)
        json.member("to_time", new.time)
        json.key("changes")
        json.beginArray()
        for change in diff.changes {
            json.beginObject()
            json.member("kind", change.kind.rawValue)
            json.member("service", change.service.description)
            if let instance = change.instance { json.member("instance", instance.description) }
            json.member("facts", change.facts)
            json.endObject()
        }
        json.endArray()
        json.endObject()
        return json.bytes + [UInt8(ascii: "\n")]
    }
}

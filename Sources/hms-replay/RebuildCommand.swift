import ArgumentParser
import OpenSSLCrypto
import RegistryModel
import Replay
import Terminal

struct RebuildCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "rebuild",
        abstract: "Make a fresh view from the log, and prove it by its state digest.",
        discussion: """
            EXAMPLES
              hms-replay rebuild --data ./data --out ./view
            """
    )

    @Option(help: ArgumentHelp("Where to make it; must not hold a view.", valueName: "dir"))
    var out: String

    @OptionGroup var source: SourceOptions
    @OptionGroup var options: OutputOptions

    func run() async throws {
        let output = options.output
        let rebuilt = try answering {
            let bar = ProgressBar("rebuilding", noun: "events")
            defer { bar.finish() }
            return try ViewRebuild.run(try source.open(), into: out) { done, total in bar.update(done, of: total) }
        }
        if options.json {
            var json = JSONWriter()
            json.beginObject()
            json.member("directory", out)
            json.member("sequence", rebuilt.sequence.rawValue)
            json.member("instances", rebuilt.instances)
            json.member("digest", rebuilt.digest.description)
            json.endObject()
            return output.write(json.bytes + [UInt8(ascii: "\n")])
        }
        let separator = " \(output.symbols.separator) "
        output.write(
            "\(output.style.green(output.symbols.done)) \(out)\(separator)\(rebuilt.sequence)\(separator)"
                + "\(HumanText.counted(rebuilt.instances, "instance"))\(separator)digest \(rebuilt.digest)\n"
        )
    }
}

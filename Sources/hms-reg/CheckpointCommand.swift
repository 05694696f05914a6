import ArgumentParser
import EventLog
import Glibc
import RegistryClient
import RegistryModel
import Terminal

struct CheckpointCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "checkpoint",
        abstract: "The log's signed root: kept elsewhere, it proves that nothing before it was changed.",
        discussion: """
            EXAMPLES
              hms-reg checkpoint
              hms-reg checkpoint save /mnt/elsewhere/1200Z.note
              hms-reg checkpoint key > /mnt/elsewhere/registry.vkey
              hms-replay verify --data ./copy --checkpoint 1200Z.note --key registry.vkey
            """,
        subcommands: [Show.self, Save.self, Key.self],
        defaultSubcommand: Show.self
    )

    struct Show: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Sign the log as it is now, and print the note.")

        @OptionGroup var registry: RegistryOptions
        @OptionGroup var options: OutputOptions

        func run() async throws {
            let note = try await registry.withConnection { try await $0.signCheckpoint() }
            guard options.json else { return options.output.write(note) }
            let checkpoint = try parsed(note)
            var json = JSONWriter()
            json.beginObject()
            json.member("origin", checkpoint.origin)
            json.member("size", checkpoint.size.rawValue)
            json.member("note", note)
            json.endObject()
            options.output.write(json.string + "\n")
        }
    }

    struct Save: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "The same, into a file: best on another machine.")

        @Argument(help: "The file; must not be there yet.")
        var file: String

        @OptionGroup var registry: RegistryOptions
        @OptionGroup var options: OutputOptions

        func run() async throws {
            let note = try await registry.withConnection { try await $0.signCheckpoint() }
            let checkpoint = try parsed(note)
            do {
                try SmallFile.create(note, at: file)
            } catch {
                throw CommandError(error.message, exitCode: error.errno == EEXIST ? .notSo : .unreachable)
            }
            let output = options.output
            if options.json {
                var json = JSONWriter()
                json.beginObject()
                json.member("file", file)
                json.member("size", checkpoint.size.rawValue)
                json.endObject()
                output.write(json.string + "\n")
            } else {
                output.write(
                    "\(output.style.green(output.symbols.done)) \(file) \(output.symbols.separator) "
                        + "\(HumanText.counted(checkpoint.size.rawValue, "event"))\n"
                )
                output.note("\(output.symbols.next) keep it, and the key (hms-reg checkpoint key), on another machine")
            }
        }
    }

    struct Key: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "The public key to judge notes by, as a vkey.")

        @OptionGroup var registry: RegistryOptions
        @OptionGroup var options: OutputOptions

        func run() async throws {
            let key = try await registry.withConnection { try await $0.checkpointKey() }
            options.output.write(options.json ? "{\"key\":\"\(key)\"}\n" : key + "\n")
        }
    }
}

private func parsed(_ note: String) throws -> Checkpoint {
    do {
        return try Checkpoint(text: try SignedNote(parsing: note).text)
    } catch {
        throw CommandError("the registry's answer is no checkpoint: \(error.message)", exitCode: .unreachable)
    }
}

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
        subcommands: [Show.self, Save.self, Key.self, RotateKey.self],
        defaultSubcommand: Show.self
    )

    struct Show: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Sign the log as it is now, and print the note.",
            discussion: """
                EXAMPLES
                  hms-reg checkpoint show
                """
        )

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
        static let configuration = CommandConfiguration(
            abstract: "The same, into a file: best on another machine.",
            discussion: """
                EXAMPLES
                  hms-reg checkpoint save /mnt/elsewhere/1200Z.note
                """
        )

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
        static let configuration = CommandConfiguration(
            abstract: "The public key to judge notes by, as a vkey.",
            discussion: """
                EXAMPLES
                  hms-reg checkpoint key > /mnt/elsewhere/registry.vkey
                """
        )

        @OptionGroup var registry: RegistryOptions
        @OptionGroup var options: OutputOptions

        func run() async throws {
            let key = try await registry.withConnection { try await $0.checkpointKey() }
            options.output.write(options.json ? "{\"key\":\"\(key)\"}\n" : key + "\n")
        }
    }
}

extension CheckpointCommand {
    struct RotateKey: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Sign by a new key from here on; the old one says so, and is gone.",
            discussion: """
                Notes and keys that were kept stay good: verify follows the chain of keys. Keep the new key, or a note \
                that it signed, elsewhere at once: whoever has stolen the old one could name another successor, and only \
                what was kept tells the two histories apart.

                EXAMPLES
                  hms-reg checkpoint rotate-key > /mnt/elsewhere/registry.2.vkey
                """
        )

        @Flag(help: "Do not ask.")
        var yes = false

        @OptionGroup var registry: RegistryOptions
        @OptionGroup var options: OutputOptions

        func run() async throws {
            let output = options.output
            if !yes, Output.isInputTerminal, !output.confirms("the key that signs checkpoints is replaced, for good.") {
                throw CommandError("nothing was changed", exitCode: .notSo)
            }
            let key = try await registry.withConnection { try await $0.rotateCheckpointKey() }
            output.write(options.json ? "{\"key\":\"\(key)\"}\n" : key + "\n")
            output.note("\(output.symbols.next) keep it on another machine, beside the one before")
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

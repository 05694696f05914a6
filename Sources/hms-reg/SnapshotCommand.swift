import ArgumentParser
import Glibc
import RegistryClient
import RegistryModel
import Replay
import Terminal

struct SnapshotCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "snapshot",
        abstract: "Everything that a registry knows, in one file; and a registry from such a file.",
        discussion: """
            EXAMPLES
              hms-reg snapshot
              hms-reg snapshot save /backup/registry.tar.zst
              hms-reg snapshot verify /backup/registry.tar.zst
              hms-reg snapshot restore /backup/registry.tar.zst --data /var/lib/hms.new --new-keys
            """,
        subcommands: [Save.self, List.self, Inspect.self, Verify.self, SnapshotRestoreCommand.self],
        defaultSubcommand: Save.self
    )

    struct Save: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Take one of the running registry: hot, consistent, verified after writing.",
            discussion: """
                EXAMPLES
                  hms-reg snapshot save
                  hms-reg snapshot save /backup/registry.tar.zst
                """
        )

        @Argument(help: "The file; must not be there yet (default: a name of its own in DATA/snapshots).")
        var file: String?

        @OptionGroup var registry: RegistryOptions
        @OptionGroup var options: OutputOptions

        func run() async throws {
            let path = file.map { SnapshotCommand.absolute($0) }
            let began = ContinuousClock.now
            let taken = try await registry.withConnection { try await $0.takeSnapshot(path) }
            let took = ContinuousClock.now - began
            let output = options.output
            if options.json { return output.write(SnapshotCommand.json([taken])) }
            // Piped, the path alone.
            guard Output.isOutputTerminal else { return output.write(taken.file + "\n") }
            let separator = " \(output.symbols.separator) "
            output.write(
                "\(output.style.green(output.symbols.done)) \(taken.file)\(separator)\(HumanText.bytes(taken.bytes))"
                    + "\(separator)\(HumanText.duration(milliseconds: Double(took.milliseconds)))\n"
            )
            output.note(
                output.errorStyle.dim(
                    "  \(taken.sequence)\(separator)\(HumanText.counted(taken.instances, "instance"))"
                )
            )
            output.note(
                "  \(output.errorStyle.yellow(output.symbols.warning)) keys are not inside: without DATA/keys every "
                    + "sidecar must join again"
            )
        }
    }

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Those that the registry keeps.",
            discussion: """
                EXAMPLES
                  hms-reg snapshot list
                """
        )

        @OptionGroup var registry: RegistryOptions
        @OptionGroup var options: OutputOptions

        func run() async throws {
            let found = try await registry.withConnection { try await $0.snapshots() }
            let output = options.output
            if options.json { return output.write(SnapshotCommand.json(found)) }
            guard !found.isEmpty else {
                throw CommandError("there are no snapshots yet", hint: "hms-reg snapshot", exitCode: .notSo)
            }
            var table = Table([
                .init("SNAPSHOT"), .init("SIZE", .right), .init("SEQUENCE", .right), .init("INSTANCES", .right),
                .init("TIME"),
            ])
            for snapshot in found {
                table.append([
                    .init(snapshot.file), .init(HumanText.bytes(snapshot.bytes)), .init("\(snapshot.sequence)"),
                    .init(HumanText.count(snapshot.instances)),
                    .init(LocalTime.full(unixSeconds: snapshot.time.unixSeconds), .dim),
                ])
            }
            output.table(table)
        }
    }

    struct Inspect: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "What a snapshot says of itself.",
            discussion: """
                EXAMPLES
                  hms-reg snapshot inspect /backup/registry.tar.zst
                """
        )

        @Argument(help: "The snapshot.")
        var file: String

        @OptionGroup var options: OutputOptions

        func run() async throws {
            let manifest = try answering { try SnapshotArchive.inspect(file) }
            SnapshotCommand.show(file, manifest, options, done: nil)
        }
    }

    struct Verify: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Whether a snapshot is whole: each file, the log, its root, the state's digest.",
            discussion: """
                EXAMPLES
                  hms-reg snapshot verify /backup/registry.tar.zst
                """
        )

        @Argument(help: "The snapshot.")
        var file: String

        @OptionGroup var options: OutputOptions

        func run() async throws {
            let manifest = try answering { try SnapshotArchive.verify(file) }
            SnapshotCommand.show(file, manifest, options, done: "whole")
        }
    }

    static func absolute(_ path: String) -> String {
        guard !path.hasPrefix("/"), let current = getcwd(nil, 0) else { return path }
        defer { free(current) }
        return String(cString: current) + "/" + path
    }

    private static func json(_ found: [SnapshotSummary]) -> String {
        var json = JSONWriter()
        json.beginArray()
        for snapshot in found {
            json.beginObject()
            json.member("file", snapshot.file)
            json.member("bytes", snapshot.bytes)
            json.member("sequence", snapshot.sequence.rawValue)
            json.member("time", snapshot.time)
            json.member("instances", snapshot.instances)
            json.endObject()
        }
        json.endArray()
        return json.string + "\n"
    }

    private static func show(_ file: String, _ manifest: SnapshotManifest, _ options: OutputOptions, done: String?) {
        let output = options.output
        if options.json {
            var json = JSONWriter()
            json.beginObject()
            json.member("file", file)
            manifest.writeFacts(to: &json)
            json.endObject()
            return output.write(json.string + "\n")
        }
        let separator = " \(output.symbols.separator) "
        let facts = [
            "registry \(manifest.registryID.short)", "\(manifest.sequence)", manifest.time.utcText,
            HumanText.counted(manifest.instances, "instance"), HumanText.counted(UInt64(manifest.files.count), "file"),
        ]
        let sign = done.map { "\(output.style.green(output.symbols.done)) \(file) is \($0)\n  " } ?? "\(file)\n  "
        output.write(sign + facts.joined(separator: separator) + "\n")
    }
}

/// Runs what the replay's library does, and says in words for people what kept it from being done.
func answering<R>(_ body: () throws -> R) throws -> R {
    do {
        return try body()
    } catch let error as ReplayError {
        let code: ExitCode = error.code == .usage ? .usage : .notSo
        throw CommandError(error.message, hint: error.hint, exitCode: code)
    } catch let error as RegistryModelError {
        throw CommandError(error.message, exitCode: .notSo)
    } catch {
        throw CommandError("\(error)", exitCode: .unreachable)
    }
}

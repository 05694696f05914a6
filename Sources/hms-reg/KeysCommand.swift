import ArgumentParser
import EventLog
import Glibc
import Identity
import RegistryClient
import RegistryModel
import Terminal

struct KeysCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "keys",
        abstract: "The registry's own keys under a passphrase: without them every sidecar must join again.",
        discussion: """
            Snapshots don't hold the keys. A backup is one text file that the age program opens too \
            (age --decrypt FILE). Keep it apart from the passphrase, and make a new one after each hms-reg ca rotate.

            EXAMPLES
              hms-reg keys backup /mnt/elsewhere/keys.age
              hms-reg keys restore /mnt/elsewhere/keys.age --data /var/lib/hms
            """,
        subcommands: [Backup.self, Restore.self]
    )

    struct PassphraseOptions: ParsableArguments {
        @Option(
            help: ArgumentHelp(
                "File whose first line is the passphrase, - for standard input (default: asked for).",
                valueName: "file"
            )
        )
        var passphraseFile: String?
    }

    struct Backup: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Seal the keys into a file; the registry may be up.",
            discussion: """
                On the registry's machine, by whoever may read DATA/keys: keys cross no network. What was written is read \
                again and opened before this says that it is done.

                EXAMPLES
                  hms-reg keys backup /mnt/elsewhere/keys.age
                """
        )

        @Argument(help: "The file; must not be there yet.")
        var file: String

        @OptionGroup var passphrase: PassphraseOptions
        @OptionGroup var registry: RegistryOptions
        @OptionGroup var options: OutputOptions

        func run() async throws {
            umask(0o077)
            let directory = try await dataDirectory() + "/keys"
            let backup = try KeysCommand.working { () throws(IdentityError) in
                try KeysBackup(of: directory, now: WallClock.now())
            }
            let secret = try Passphrase.new(file: passphrase.passphraseFile)
            let sealed = try KeysCommand.working { () throws(IdentityError) in try backup.sealed(passphrase: secret) }
            do {
                try SmallFile.create(sealed, at: file)
            } catch {
                throw CommandError(error.message, exitCode: error.errno == EEXIST ? .notSo : .unreachable)
            }
            let written = try TextFile.contents(of: file)
            let opened = try KeysCommand.working { () throws(IdentityError) in
                try KeysBackup(sealed: written, passphrase: secret)
            }
            guard opened == backup else {
                throw CommandError("\(file) does not hold what was written", exitCode: .unreachable)
            }
            try KeysCommand.working { () throws(IdentityError) in
                try KeysBackupRecord(madeAt: backup.madeAt, rootKeyHash: backup.rootKeyHash).store(in: directory)
            }
            KeysCommand.say(backup, at: file, options)
            if !options.json {
                options.output.note("  read again and opened; keep the passphrase apart from it")
            }
        }

        /// Where the registry that is named keeps its data, which must be this machine.
        private func dataDirectory() async throws -> String {
            if let data = registry.data { return data }
            let address = try registry.address()
            guard !address.isTLS else {
                throw CommandError(
                    "keys are backed up on the registry's machine alone, and \(address) is asked over a network",
                    hint: "there: hms-reg keys backup \(file)",
                    exitCode: .usage
                )
            }
            return try await registry.withConnection { connection in
                try await connection.status().dataDirectory
            }
        }
    }

    struct Restore: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Put the keys of a backup into a data directory that has none.",
            discussion: """
                Nothing is ever put over other keys. Start hms-regd afterwards.

                EXAMPLES
                  hms-reg keys restore /mnt/elsewhere/keys.age --data /var/lib/hms
                """
        )

        @Argument(help: "The backup; - for standard input.")
        var file: String

        @Option(help: ArgumentHelp("The data directory; its keys folder must be empty or missing.", valueName: "dir"))
        var data: String

        @OptionGroup var passphrase: PassphraseOptions
        @OptionGroup var options: OutputOptions

        func run() async throws {
            umask(0o077)
            try KeysCommand.working { () throws(IdentityError) in try KeysBackup.checkVacancy(of: data) }
            let backup = try KeysCommand.opened(file, passphrase)
            try KeysCommand.working { () throws(IdentityError) in try backup.restore(to: data) }
            KeysCommand.say(backup, at: data + "/keys", options)
            if !options.json { options.output.note("\(options.output.symbols.next) hms-regd --data \(data)") }
        }
    }

    /// - Throws: exit code 1 for another passphrase and for what is damaged.
    static func opened(_ file: String, _ passphrase: PassphraseOptions) throws -> KeysBackup {
        let sealed = try TextFile.contents(of: file)
        let secret = try Passphrase.existing(file: passphrase.passphraseFile)
        do throws(IdentityError) {
            return try KeysBackup(sealed: sealed, passphrase: secret)
        } catch {
            throw CommandError("\(file) can't be opened: \(error.message)", exitCode: .notSo)
        }
    }

    static func working<R>(_ body: () throws(IdentityError) -> R) throws -> R {
        do throws(IdentityError) {
            return try body()
        } catch {
            throw CommandError(
                error.message,
                exitCode: error.code == .storage && errno == EACCES ? .notAllowed : .unreachable
            )
        }
    }

    private static func say(_ backup: KeysBackup, at place: String, _ options: OutputOptions) {
        let output = options.output
        if options.json {
            var json = JSONWriter()
            json.beginObject()
            json.member("file", place)
            json.member("trust_domain", backup.trustDomain.description)
            json.member("root_key_hash", backup.rootKeyHash)
            json.member("made_at", backup.madeAt)
            json.key("holds")
            json.beginArray()
            for name in backup.fileNames { json.write(name) }
            json.endArray()
            json.endObject()
            return output.write(json.string + "\n")
        }
        let separator = " \(output.symbols.separator) "
        output.write(
            "\(output.style.green(output.symbols.done)) \(place)\(separator)\(backup.trustDomain)\(separator)"
                + backup.fileNames.joined(separator: ", ") + "\n"
        )
        output.note(output.errorStyle.dim("  root \(backup.rootKeyHash)"))
    }
}

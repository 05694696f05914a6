import ArgumentParser
import Glibc
import Identity
import RegistryClient
import RegistryModel
import Replay
import Terminal

struct SnapshotRestoreCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "restore",
        abstract: "Make a data directory from a snapshot: its history goes on in a new epoch.",
        discussion: """
            EXAMPLES
              hms-reg snapshot restore backup.tar.zst --data /var/lib/hms --keys /safe/keys.age
              hms-reg snapshot restore backup.tar.zst --data ./new --new-keys --log ./old --until 14:05
              hms-reg snapshot restore ./old/snapshots --data ./new --keys ./old/keys --log ./old --until 14:05
            """
    )

    @Argument(help: "The snapshot; of a directory the newest in it that is whole and no later than --until.")
    var file: String

    @Option(help: ArgumentHelp("The new data directory: empty, or not there.", valueName: "dir"))
    var data: String

    @Option(help: ArgumentHelp("A data directory whose log goes on behind the snapshot.", valueName: "dir"))
    var log: String?

    @Option(help: ArgumentHelp("Of that log, only through this moment.", valueName: "time"))
    var until: String?

    @Option(
        help: ArgumentHelp(
            "The keys, which a snapshot does not hold: a file of hms-reg keys backup, or the old registry's DATA/keys.",
            valueName: "file|dir"
        )
    )
    var keys: String?

    @Flag(help: "Begin with new keys: every sidecar must join again.")
    var newKeys = false

    @OptionGroup var passphrase: KeysCommand.PassphraseOptions
    @OptionGroup var options: OutputOptions

    func validate() throws {
        guard (keys == nil) == newKeys else {
            throw ValidationError("keys are not in a snapshot: give --keys, or --new-keys")
        }
        guard until == nil || log != nil else { throw ValidationError("--until needs a --log to go on by") }
    }

    func run() async throws {
        umask(0o077)
        let moment = try until.map { text in
            guard let moment = Moment(text, now: WallClock.now()) else {
                throw CommandError("\(text) is no moment: \(Moment.form)", exitCode: .usage)
            }
            return moment
        }
        if let keys, access(keys, R_OK) != 0 {
            throw CommandError("can't read \(keys): \(String(cString: strerror(errno)))", exitCode: .unreachable)
        }
        let backup = try keys.flatMap {
            try WorkDirectory.isDirectory($0 + "/") ? nil : KeysCommand.opened($0, passphrase)
        }
        let restored = try answering {
            try SnapshotRestore.run(
                file,
                to: data,
                newer: try log.map { try AuditSource(dataDirectory: $0) },
                until: moment,
                epoch: Epoch(rawValue: .random(in: 1...(.max))),
                actor: Actor(.uid(UInt32(getuid()))),
                now: WallClock.now()
            )
        }
        if let backup {
            try KeysCommand.working { () throws(IdentityError) in try backup.restore(to: data) }
        } else if let keys {
            try answering { try SnapshotRestore.copyKeys(keys, to: data + "/keys") }
        }
        let output = options.output
        for warning in restored.warnings {
            output.note("\(output.errorStyle.yellow(output.symbols.warning)) \(warning)")
        }
        if options.json {
            var json = JSONWriter()
            json.beginObject()
            json.member("data", data)
            json.member("snapshot", restored.snapshot)
            json.member("registry", restored.registryID.description)
            json.member("epoch", restored.epoch.description)
            json.member("fork", restored.fork.rawValue)
            json.member("instances", restored.instances)
            json.endObject()
            return output.write(json.string + "\n")
        }
        let separator = " \(output.symbols.separator) "
        output.write(
            "\(output.style.green(output.symbols.done)) \(data)\(separator)\(HumanText.counted(restored.instances, "instance"))"
                + "\(separator)history goes on behind \(restored.fork)\n"
        )
        if restored.snapshot != file { output.note(output.errorStyle.dim("from \(restored.snapshot)")) }
        output.note("\(output.symbols.next) hms-regd --data \(data)")
    }
}

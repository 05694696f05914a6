import ArgumentParser
import EventLog
import MaterializedView
import RegistryClient
import RegistryModel
import Replay
import Terminal

/// Where history is read from.
struct SourceOptions: ParsableArguments {
    @Option(help: ArgumentHelp("A registry's data directory, live or a copy.", valueName: "dir"))
    var data: String?

    @Option(
        parsing: .upToNextOption,
        help: ArgumentHelp("A directory of log segments alone, or segments one by one.", valueName: "file")
    )
    var log: [String] = []

    @Option(help: ArgumentHelp("A snapshot.", valueName: "file"))
    var snapshot: String?

    @Option(
        help: ArgumentHelp(
            "Where snapshots of the same registry lie, to begin from (default: DATA/snapshots).",
            valueName: "dir"
        )
    )
    var snapshotDir: String?

    /// Those with a value that may stand before the subcommand.
    static let valueOptions: Set<String> = ["--data", "--log", "--snapshot", "--snapshot-dir", "--color"]

    func validate() throws {
        guard [data, log.first, snapshot].compactMap({ $0 }).count == 1 else {
            throw ValidationError("say what to read: --data DIR, --log FILE… or --snapshot FILE")
        }
    }

    /// As it was named, for commands to paste.
    var text: String {
        if let data { return "--data \(data)" }
        return log.isEmpty ? "--snapshot \(snapshot ?? "")" : "--log \(log.joined(separator: " "))"
    }

    func open() throws -> AuditSource {
        if let data { return try AuditSource(dataDirectory: data, snapshots: snapshotDir) }
        if log.count == 1, WorkDirectory.isDirectory(log[0] + "/") {
            return try AuditSource(logDirectory: log[0], snapshots: snapshotDir)
        }
        if !log.isEmpty { return try AuditSource(segments: log, snapshots: snapshotDir) }
        return try AuditSource(snapshot: snapshot ?? "")
    }
}

/// A moment on the command line.
struct MomentArgument: ExpressibleByArgument {
    let moment: Moment

    init?(argument: String) {
        guard let moment = Moment(argument, now: WallClock.now()) else { return nil }
        self.moment = moment
    }

    init(_ moment: Moment) {
        self.moment = moment
    }
}

/// Runs a question about history, and says in words for people what kept it from an answer.
func answering<R>(_ body: () throws -> R) throws -> R {
    do {
        return try body()
    } catch let error as ReplayError {
        let code: ExitCode = error.code == .usage ? .usage : error.code == .notFound ? .notSo : .unreachable
        throw CommandError(error.message, hint: error.hint, exitCode: code)
    } catch let error as EventLogError {
        throw CommandError(error.message, exitCode: error.code == .damaged ? .notSo : .unreachable)
    } catch let error as RegistryModelError {
        throw CommandError(error.message, exitCode: .usage)
    } catch let error as ViewError {
        throw CommandError("\(error)", exitCode: .unreachable)
    }
}

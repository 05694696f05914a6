import ArgumentParser
import RegistryModel

/// Makes the history of a large fleet, for `tools/bench/replay` to measure by.
@main
struct HistoryCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "bench-history",
        abstract: "Write the data directory of a fleet that was never there."
    )

    @Argument(help: "The directory: made here.")
    var directory: String

    @Option(help: "Instances.")
    var instances = 25_000

    @Option(help: "Services.")
    var services = 2_500

    @Option(help: "Hours that it has gone on for.")
    var hours = 24

    @Option(help: "How much more often than in a quiet day anything but a renewal happens.")
    var churn = 1.0

    @Flag(help: "With everybody's heartbeats, one in ten seconds.")
    var beats = false

    @Flag(help: "With a snapshot at the beginning and one an hour.")
    var snapshots = false

    func run() throws {
        var recorder = try Recorder(directory)
        try recorder.run(
            Fleet.Options(instances: instances, services: min(services, instances), churn: churn),
            hours: hours,
            beats: beats,
            snapshots: snapshots
        )
        var json = JSONWriter()
        json.beginObject()
        json.member("events", recorder.last.rawValue)
        json.member("heartbeats", recorder.heartbeats)
        json.key("snapshots")
        json.beginArray()
        for snapshot in recorder.snapshots {
            json.beginObject()
            json.member("instances", snapshot.instances)
            json.member("bytes", snapshot.bytes)
            json.key("seconds")
            json.write(snapshot.seconds)
            json.key("cpu")
            json.write(snapshot.processorSeconds)
            json.endObject()
        }
        json.endArray()
        json.endObject()
        print(json.string)
    }
}

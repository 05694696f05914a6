import ArgumentParser
import EventLog
import Glibc
import Identity
import Logging
import Registry
import RegistryAPI
import RegistryModel
import Terminal

/// What the daemon needs, checked.
struct DaemonSettings {
    var dataDirectory: String
    private var plainListen: ListenAddress?
    private var metricsListen: ListenAddress?
    private var sockets: [String]
    private var socketGroup: String?
    private var healthPolicy = HealthPolicy.default
    private var guardOptions = MassExpiryGuard.Options()
    private var trustDomain: TrustDomain
    private var reserveMegabytes: UInt64 = 64
    private var checkpointCopy: String?
    private var snapshots = SnapshotOptions()
    private var heartbeatsKept = BeatRetention.age(.seconds(30 * 86_400))
    private var logLevel = Logger.Level.info

    init(_ options: DaemonOptions, environment: (String) -> String? = Environment.variable) throws {
        let sources = try SettingSources(options, environment: environment)
        guard let data = sources["data"], !data.text.isEmpty else {
            throw CommandError(
                "no data directory is named",
                hint: "hms-regd --data ./data",
                exitCode: .usage
            )
        }
        dataDirectory = data.text.count > 1 && data.text.hasSuffix("/") ? String(data.text.dropLast()) : data.text
        sockets = Self.sockets(dataDirectory, sources["socket"]?.text, environment)
        socketGroup = sources["socket-group"]?.text
        plainListen = try Self.address(sources["plain-listen"])
        metricsListen = try Self.address(sources["metrics-listen"])
        do {
            trustDomain = try TrustDomain(sources["trust-domain"]?.text ?? "gov.local")
        } catch {
            throw CommandError("\(sources["trust-domain"]?.origin ?? ""): \(error.message)", exitCode: .usage)
        }
        let ttl = try Self.duration(sources["ttl"], 1_000...86_400_000) ?? healthPolicy.ttl
        let deregisterAfter = try Self.duration(sources["deregister-after"], 1_000...2_592_000_000)
        healthPolicy = HealthPolicy(ttl: ttl, deregisterAfter: deregisterAfter ?? healthPolicy.deregisterAfter)
        guardOptions = MassExpiryGuard.Options(
            fraction: try Self.number(sources["guard-fraction"], 0.01...1) ?? guardOptions.fraction,
            minimum: Int(try Self.number(sources["guard-min"], 1...1_000_000) ?? Double(guardOptions.minimum)),
            protectFor: try Self.duration(sources["protect-for"], 1_000...86_400_000) ?? guardOptions.protectFor
        )
        reserveMegabytes = UInt64(try Self.number(sources["reserve"], 0...1_000_000) ?? Double(reserveMegabytes))
        checkpointCopy = try sources["checkpoint-copy"].map { try Self.directory($0) }
        snapshots = SnapshotOptions(
            directory: try sources["snapshot-dir"].map { try Self.directory($0) },
            interval: try Self.duration(sources["snapshot-every"], 60_000...2_592_000_000),
            kept: Int(try Self.number(sources["snapshot-keep"], 1...100_000) ?? Double(snapshots.kept))
        )
        if let kept = sources["keep-heartbeats"] { heartbeatsKept = try Self.retention(kept) }
        if let level = sources["log-level"] {
            guard let parsed = Logger.Level(rawValue: level.text) else {
                throw Self.bad(level, "is none of trace, debug, info, notice, warning, error")
            }
            logLevel = parsed
        }
    }

    func serverOptions() -> RegistryServer.Options {
        let progress = ProgressBar("bringing the view up to the log", noun: "events")
        return RegistryServer.Options(
            registry: ServiceRegistry.Options(
                dataDirectory: dataDirectory,
                healthPolicy: healthPolicy,
                guardOptions: guardOptions,
                reserveBytes: reserveMegabytes * 1_024 * 1_024,
                version: ProductVersion.current,
                checkpoints: CheckpointOptions(
                    trustDomain: trustDomain.description,
                    copyDirectory: checkpointCopy
                ),
                snapshots: snapshots,
                heartbeatsKept: heartbeatsKept,
                progress: { done, total in
                    progress.update(done, of: total)
                    if done >= total { progress.finish() }
                }
            ),
            trustDomain: trustDomain,
            sockets: sockets,
            socketGroup: socketGroup,
            plainListen: plainListen,
            metricsListen: metricsListen
        )
    }

    func logger() -> Logger {
        var logger = Logger(label: "hms-regd") { StreamLogHandler.standardError(label: $0) }
        logger.logLevel = logLevel
        return logger
    }

    // MARK: Values

    /// `DATA/regd.sock`, and a second one where people look without being told.
    private static func sockets(
        _ data: String,
        _ named: String?,
        _ environment: (String) -> String?
    ) -> [String] {
        let own = data + "/regd.sock"
        switch named {
        case "none": return [own]
        case let path?: return [own, path]
        case nil: break
        }
        if let runtime = environment("XDG_RUNTIME_DIR"), !runtime.isEmpty { return [own, runtime + "/hms/regd.sock"] }
        return geteuid() == 0 ? [own, "/run/hms/regd.sock"] : [own]
    }

    private static func address(_ value: SettingSources.Value?) throws -> ListenAddress? {
        guard let value else { return nil }
        do {
            return try ListenAddress(value.text)
        } catch {
            throw bad(value, "is no HOST:PORT, such as 127.0.0.1:9001")
        }
    }

    /// A directory that is there and can be written in.
    private static func directory(_ value: SettingSources.Value) throws -> String {
        guard access(value.text, W_OK | X_OK) == 0 else {
            throw bad(value, "can't be written in: \(String(cString: strerror(errno)))")
        }
        return value.text
    }

    private static func retention(_ value: SettingSources.Value) throws -> BeatRetention {
        if value.text == "forever" { return .forever }
        let units: [(String, UInt64)] = [("MB", 1_000_000), ("GB", 1_000_000_000), ("TB", 1_000_000_000_000)]
        for (unit, bytes) in units where value.text.hasSuffix(unit) {
            guard let count = UInt64(value.text.dropLast(unit.count)), (1...100_000).contains(count) else { break }
            return .bytes(count * bytes)
        }
        guard let age = DurationArgument(argument: value.text), age.milliseconds >= 3_600_000 else {
            throw bad(value, "is neither an age of an hour or more (30d), nor a size (10GB), nor forever")
        }
        return .age(age.duration)
    }

    private static func duration(
        _ value: SettingSources.Value?,
        _ milliseconds: ClosedRange<UInt64>
    ) throws -> Duration? {
        guard let value else { return nil }
        guard let argument = DurationArgument(argument: value.text) else {
            throw bad(value, "is no duration: \(DurationArgument.form)")
        }
        guard milliseconds.contains(argument.milliseconds) else {
            let bounds = [milliseconds.lowerBound, milliseconds.upperBound].map {
                HumanText.duration(milliseconds: Double($0))
            }
            throw bad(value, "is outside \(bounds[0]) to \(bounds[1])")
        }
        return argument.duration
    }

    private static func number(_ value: SettingSources.Value?, _ range: ClosedRange<Double>) throws -> Double? {
        guard let value else { return nil }
        guard let number = Double(value.text), range.contains(number) else {
            throw bad(value, "is no number from \(range.lowerBound) to \(range.upperBound)")
        }
        return number
    }

    private static func bad(_ value: SettingSources.Value, _ why: String) -> CommandError {
        CommandError("\(value.origin): \(value.text) \(why)", exitCode: .usage)
    }
}

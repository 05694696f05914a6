import ArgumentParser
import EventLog
import Glibc
import Identity
import Logging
import Registry
import RegistryAPI
import RegistryModel
import Supervision
import Terminal

/// What the daemon needs, checked.
struct DaemonSettings {
    let dataDirectory: String
    /// This user's dev registry.
    let isDevelopment: Bool
    /// What must be there before anything is opened: the user's own directories.
    let directories: [String]
    private var listen: ListenAddress?
    private var isListenNamed: Bool
    private var names: [String]
    private var advertiseAllow: [IPRange]
    private var rejoinWindow: Duration
    private var rotation = RotationSchedule()
    private var plainListen: ListenAddress?
    private var metricsListen: ListenAddress?
    private var sockets: [String]
    private var socketGroup: String?
    private var healthPolicy = HealthPolicy.default
    private var guardOptions = MassExpiryGuard.Options()
    private var trustDomain: TrustDomain
    private var reserveMegabytes: UInt64 = 64
    private var idleExit: Duration?
    private var checkpointCopy: String?
    private var snapshots = SnapshotOptions()
    private var heartbeatsKept = BeatRetention.age(.seconds(30 * 86_400))
    private var logLevel = Logger.Level.info

    private static let developmentIdleExit = Duration.seconds(600)

    init(_ options: DaemonOptions, environment: (String) -> String? = Environment.variable) throws {
        let sources = try SettingSources(options, environment: environment)
        let user = UserDirectories(environment: environment)
        isDevelopment = options.dev
        dataDirectory =
            options.dev ? try Self.developmentData(user, sources["data"]) : try Self.dataDirectory(sources["data"])
        let second = Self.secondSocket(sources["socket"]?.text, user, environment, isDevelopment: options.dev)
        sockets = [dataDirectory + "/regd.sock"] + (second.map { [$0] } ?? [])
        directories =
            (options.dev ? user.map { [$0.state] } ?? [] : [])
            + (user.map { second == $0.registrySocket ? [$0.runtime] : [] } ?? [])
        socketGroup = sources["socket-group"]?.text
        isListenNamed = sources["listen"] != nil
        listen = try Self.tlsListen(sources["listen"])
        names = try Self.names(sources["name"])
        advertiseAllow = try Self.ranges(sources["advertise-allow"])
        rejoinWindow = try Self.duration(sources["rejoin-window"], 0...604_800_000) ?? Projection.rejoinWindow
        if let phase = try Self.duration(sources["rotation-phase"], 1_000...86_400_000) {
            rotation.overlap = phase
            rotation.retiring = phase
        }
        rotation.remembering = rejoinWindow
        plainListen = try Self.address(sources["plain-listen"])
        idleExit = try Self.idleExit(sources["idle-exit"], isDevelopment: options.dev)
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
        reserveMegabytes = UInt64(
            try Self.number(sources["reserve"], 0...1_000_000) ?? (options.dev ? 0 : Double(reserveMegabytes))
        )
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
        var options = RegistryServer.Options(
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
            listen: listen,
            names: names,
            plainListen: plainListen,
            metricsListen: metricsListen,
            idleExit: idleExit
        )
        options.mayListenElsewhere = !isListenNamed
        options.manager = ServiceManager(environment: Environment.variable)
        options.advertiseAllow = advertiseAllow
        options.rejoinWindow = rejoinWindow
        options.rotation = rotation
        return options
    }

    func logger() -> Logger {
        var logger = Logger(label: "hms-regd") { StreamLogHandler.standardError(label: $0) }
        logger.logLevel = logLevel
        return logger
    }

    // MARK: Values

    private static func dataDirectory(_ data: SettingSources.Value?) throws -> String {
        guard let data, !data.text.isEmpty else {
            throw CommandError("no data directory is named", hint: "hms-regd --data ./data", exitCode: .usage)
        }
        return data.text.count > 1 && data.text.hasSuffix("/") ? String(data.text.dropLast()) : data.text
    }

    private static func developmentData(_ user: UserDirectories?, _ named: SettingSources.Value?) throws -> String {
        guard let user else {
            throw CommandError("--dev: neither HOME nor XDG_STATE_HOME says where to keep data", exitCode: .usage)
        }
        if let named {
            throw CommandError(
                "--dev keeps its data in \(user.devRegistry), and \(named.origin) names another place",
                hint: "leave one of them out",
                exitCode: .usage
            )
        }
        return user.devRegistry
    }

    /// Beside `DATA/regd.sock`: where people look without being told. A dev registry is its user's, root's too, and leaves
    /// the machine's place to the machine's registry.
    private static func secondSocket(
        _ named: String?,
        _ user: UserDirectories?,
        _ environment: (String) -> String?,
        isDevelopment: Bool
    ) -> String? {
        if let named { return named == "none" ? nil : named }
        let hasRuntimeDirectory = environment("XDG_RUNTIME_DIR").map { !$0.isEmpty } ?? false
        if geteuid() == 0, !hasRuntimeDirectory, !isDevelopment { return "/run/hms/regd.sock" }
        return user?.registrySocket
    }

    private static func idleExit(_ value: SettingSources.Value?, isDevelopment: Bool) throws -> Duration? {
        if value?.text == "never" { return nil }
        return try duration(value, 100...2_592_000_000) ?? (isDevelopment ? developmentIdleExit : nil)
    }

    private static func tlsListen(_ value: SettingSources.Value?) throws -> ListenAddress? {
        guard let value else { return try ListenAddress("127.0.0.1:9000") }
        return value.text == "none" ? nil : try address(value)
    }

    /// Separated by commas where they come from the environment or the file.
    private static func names(_ value: SettingSources.Value?) throws -> [String] {
        guard let value else { return [] }
        let names = value.text.split(separator: ",").map { $0.lowercased() }
        for name in names {
            let labels = name.split(separator: ".", omittingEmptySubsequences: false)
            let isName = labels.allSatisfy { label in
                (1...63).contains(label.utf8.count)
                    && label.utf8.allSatisfy { (0x61...0x7A).contains($0) || (0x30...0x39).contains($0) || $0 == 0x2D }
            }
            guard isName, name.utf8.count <= 253, labels.last?.contains(where: \.isLetter) == true else {
                throw bad(value, "holds \(name), which is no DNS name")
            }
        }
        return names
    }

    private static func ranges(_ value: SettingSources.Value?) throws -> [IPRange] {
        guard let value else { return [] }
        return try value.text.split(separator: ",").map { text in
            guard let range = IPRange(text) else { throw bad(value, "is no address range, such as 10.0.0.0/8") }
            return range
        }
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

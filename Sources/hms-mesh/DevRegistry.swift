import Glibc
import Identity
import MeshManifest
import RegistryClient
import RegistryModel
import Supervision
import Terminal

/// The registry that a sidecar on a developer's machine belongs to: the one that is named, else one whose socket answers,
/// else a dev registry that is started here and goes on without this process.
struct DevRegistry: Sendable, Equatable {
    enum Origin: Sendable, Equatable {
        /// `--registry`, `HMS_REGISTRY`, `hms.yml`
        case named(by: String)
        /// None was named.
        case socket
        /// None was named, and no socket answered.
        case started(data: String)
    }

    let address: RegistryAddress
    let origin: Origin

    /// How long a registry may take from its start until its socket answers.
    private static let startPatience = Duration.seconds(5)
    private static let step = Duration.milliseconds(20)
    /// Lines of its log that an error shows, and bytes after which a log is begun anew.
    private static let shownLines = 8
    private static let logBytes = 1_024 * 1_024

    /// - Parameters:
    ///   - option: `--registry`
    ///   - token: names its registry, where nothing else does.
    ///   - environment: of this process; the daemon gets it without `HMS_REGD_…`, which mean another one.
    ///   - mayStart: false for `run`, which is never with a dev registry.
    /// - Throws: exit code 2 where what is named is no address, 3 where there is none and none can be started.
    static func find(
        option: String?,
        token: JoinToken? = nil,
        manifest: Manifest?,
        environment: [String: String],
        mayStart: Bool
    ) async throws -> DevRegistry {
        let selection: RegistrySelection?
        do {
            selection = try RegistrySelection.choose(
                option: option,
                environment: { environment[$0] },
                manifest: { manifest.flatMap { manifest in manifest.registry.map { (manifest.file, $0) } } },
                isAnswered: LocalSocket.isAnswered
            )
        } catch let error as RegistryClientError {
            throw CommandError(error.message, hint: error.hint, exitCode: .usage)
        }
        if let token, selection == nil || selection?.source == .socket {
            return DevRegistry(address: try RegistryAddress(token.address), origin: .named(by: "the join token"))
        }
        if let selection { return DevRegistry(address: selection.address, origin: Origin(selection.source)) }
        guard mayStart else {
            let sockets = RegistryAddress.wellKnownSockets { environment[$0] }
            throw CommandError(
                "Could not reach a registry: no socket, none named",
                reasons: ["tried HMS_REGISTRY (unset), hms.yml (names none), \(sockets.joined(separator: ", "))"],
                hint: "name one: --registry unix:PATH, HMS_REGISTRY, or registry: in hms.yml",
                exitCode: .unreachable
            )
        }
        return try await start(environment)
    }

    /// Whether it is this user's own: then what registers there takes requests at once.
    var isOwn: Bool {
        guard case .socket(let path) = address.place else { return false }
        var status = stat()
        return stat(path, &status) == 0 && status.st_uid == geteuid()
    }

    /// `dev registry: none was named, no socket · data ~/.local/state/hms/dev`
    func explanation(home: String?, symbols: Symbols) -> String {
        switch origin {
        case .named(let name): "named by \(name) \(symbols.separator) \(address)"
        case .socket: "none was named \(symbols.separator) \(address)"
        case .started(let data):
            "dev registry: none was named, no socket \(symbols.separator) data \(Self.abbreviated(data, home: home))"
        }
    }

    /// `~/…` below the user's home.
    private static func abbreviated(_ path: String, home: String?) -> String {
        guard let home, home.count > 1, path.hasPrefix(home + "/") else { return path }
        return "~" + path.dropFirst(home.count)
    }

    // MARK: Starting one

    /// Starts one; where somebody else does so in the same moment, that one serves as well.
    ///
    /// - Throws: exit code 3, with what it said last.
    static func start(_ environment: [String: String]) async throws -> DevRegistry {
        guard let user = UserDirectories(environment: { environment[$0] }) else {
            throw CommandError(
                "no dev registry can be started: neither HOME nor XDG_STATE_HOME says where",
                hint: "name one: hms-mesh dev --registry unix:PATH",
                exitCode: .unreachable
            )
        }
        let process: DetachedProcess
        let logFile = user.devRegistryLog
        do {
            try PrivateFile.makeDirectory(user.state)
            if size(of: logFile) > logBytes { unlink(logFile) }
            process = try DetachedProcess(
                running: [program(), "--dev"],
                environment: environment.filter { !$0.key.hasPrefix("HMS_REGD_") },
                logFile: logFile
            )
        } catch {
            throw CommandError(
                "no dev registry can be started: \(error)",
                hint: "put hms-regd beside hms-mesh, or name a registry: hms-mesh dev --registry unix:PATH",
                exitCode: .unreachable
            )
        }
        let address = try RegistryAddress(socket: user.devRegistrySocket)
        try await waitUntilAnswered(user.devRegistrySocket, process, logFile)
        return DevRegistry(address: address, origin: .started(data: user.devRegistry))
    }

    /// Somebody else may have started one in the same moment: then ours ends with 0, and theirs answers.
    private static func waitUntilAnswered(
        _ socket: String,
        _ process: DetachedProcess,
        _ logFile: String
    ) async throws {
        let clock = ContinuousClock()
        let deadline = clock.now + startPatience
        while !LocalSocket.isAnswered(socket) {
            let status = process.finishedStatus()
            if let status, status != .exited(0) {
                throw failed("the dev registry \(status.words) when it was started", logFile)
            }
            guard clock.now < deadline else {
                throw failed("the dev registry does not answer after \(startPatience.components.seconds)s", logFile)
            }
            try await clock.sleep(for: step)
        }
    }

    private static func failed(_ what: String, _ logFile: String) -> CommandError {
        CommandError(
            what,
            reasons: lastLines(of: logFile),
            hint: "all it said: \(logFile)     by hand: hms-regd --dev",
            exitCode: .unreachable
        )
    }

    /// Beside this program, else wherever `PATH` has it.
    private static func program() -> String {
        var buffer = [CChar](repeating: 0, count: Int(PATH_MAX))
        let count = readlink("/proc/self/exe", &buffer, buffer.count)
        let own = String(decoding: buffer.prefix(max(0, count)).map { UInt8(bitPattern: $0) }, as: UTF8.self)
        guard let slash = own.lastIndex(of: "/") else { return "hms-regd" }
        let beside = own[...slash] + "hms-regd"
        return access(String(beside), X_OK) == 0 ? String(beside) : "hms-regd"
    }

    private static func size(of path: String) -> Int {
        var status = stat()
        return stat(path, &status) == 0 ? Int(status.st_size) : 0
    }

    private static func lastLines(of path: String) -> [String] {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return [] }
        defer { close(descriptor) }
        var bytes = [UInt8](repeating: 0, count: 8_192)
        let count = pread(descriptor, &bytes, bytes.count, off_t(max(0, size(of: path) - bytes.count)))
        let lines = String(decoding: bytes.prefix(max(0, count)), as: UTF8.self).split(separator: "\n")
        return lines.suffix(shownLines).map { line in String(line.filter { $0 == "\t" || String($0).isPrintable }) }
    }
}

extension DevRegistry.Origin {
    init(_ source: RegistrySelection.Source) {
        switch source {
        case .option: self = .named(by: "--registry")
        case .environment: self = .named(by: "HMS_REGISTRY")
        case .manifest(let file): self = .named(by: file)
        case .socket: self = .socket
        }
    }
}

import ArgumentParser
import Glibc
import Mesh
import RegistryModel
import Terminal

struct TailCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "tail",
        abstract: "Show live what this user's sidecars on this machine call, every try of it.",
        discussion: """
            Sidecars that come and go are noticed. They send only what is asked for, and at most 1,000 lines a second each; \
            what was left out is said. --tree shows each request as it went from service to service, once nothing more of it \
            has come for a second; its filters keep a whole tree where one line of it fits.

              hms-mesh tail --service identity-check      as caller or callee
              hms-mesh tail --status 5xx --slow 200ms
              hms-mesh tail --status refused,timeout      tries that ended so
              hms-mesh tail --tree --path /validate
              hms-mesh tail --remote --service identity-check
            """
    )

    @OptionGroup var filters: TailFilterOptions

    @Flag(help: "Show each request over all its hops, as a tree.")
    var tree = false

    @Flag(help: "Those of --service wherever they are, found through the registry: for operators, and on its record.")
    var remote = false

    @Option(help: ArgumentHelp("https://HOST:PORT or unix:PATH, for --remote.", valueName: "address"))
    var registry: String?

    @OptionGroup var printing: OutputOptions

    mutating func validate() throws {
        if remote, filters.service == nil { throw ValidationError("--remote needs --service: whose sidecars?") }
        if registry != nil, !remote { throw ValidationError("--registry goes with --remote") }
    }

    func run() async throws {
        if remote { return try await runRemote() }
        guard SidecarSockets.directory() != nil else {
            throw CommandError("neither XDG_RUNTIME_DIR nor HOME says where sidecars are", exitCode: .unreachable)
        }
        let form: TailPrinter.Form = tree ? .tree : .lines
        let printer = TailPrinter(form, filters.query, isJSON: printing.json, printing.output)
        printer.endsOnSignal()
        await LocalTail(query: filters.query, printer: printer).run()
    }

    private func runRemote() async throws {
        guard let name = filters.service else { return }
        let output = printing.output
        let printer = TailPrinter(tree ? .tree : .lines, filters.query, isJSON: printing.json, output)
        printer.endsOnSignal()
        try await RemoteTail(
            service: try ServiceName(name),
            registry: registry,
            query: filters.query,
            printer: printer,
            output: output
        ).run()
    }
}

/// Which requests are wanted.
struct TailFilterOptions: ParsableArguments {
    @Option(help: ArgumentHelp("Only requests from or to it.", valueName: "service"))
    var service: String?

    @Option(help: ArgumentHelp("Only requests from it.", valueName: "service"))
    var from: String?

    @Option(
        help: ArgumentHelp(
            "Only what, or a try of what, ended so: 503, 5xx, refused, breaker-open; several with commas.",
            valueName: "status"
        )
    )
    var status: [String] = []

    @Option(help: ArgumentHelp("Only paths that begin so.", valueName: "path"))
    var path: String?

    @Option(help: ArgumentHelp("Only requests that took at least this long.", valueName: "duration"))
    var slow: DurationArgument?

    mutating func validate() throws {
        for word in statuses where TailQuery.Outcome(word) == nil {
            let near = NearestName.matches(for: word, in: TailQuery.Outcome.words, limit: 1).first
            throw ValidationError(
                "--status takes 503, 5xx, or how a try ended, not \(word)"
                    + (near.map { "; did you mean \($0)?" } ?? ": \(TailQuery.Outcome.words.joined(separator: ", "))")
            )
        }
        for name in [service, from].compactMap(\.self) where !name.hasPrefix("user/") {
            do { _ = try ServiceName(name) } catch { throw ValidationError(error.message) }
        }
    }

    var query: TailQuery {
        var query = TailQuery()
        query.service = service
        query.from = from
        query.path = path
        query.slowMicroseconds = slow.map { Int64(clamping: $0.milliseconds) * 1_000 } ?? 0
        query.outcomes = statuses.compactMap { TailQuery.Outcome($0) }
        return query
    }

    private var statuses: [String] {
        status.flatMap { $0.split(separator: ",").map { $0.trimmingPrefix(" ").lowercased() } }
    }
}

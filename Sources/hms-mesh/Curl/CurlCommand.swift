import ArgumentParser
import Glibc
import Mesh
import RegistryModel
import Terminal

struct CurlCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "curl",
        abstract: "Call a service through the mesh: one call with what happened, or a load with a summary.",
        discussion: """
            Goes through the nearest sidecar of yours; where there is none, through one of its own that lives as long as the \
            call, as you: with a certificate for an hour on the registry's machine, by hms-reg login elsewhere. Exits with 0 \
            when the application answered, whatever it said; with -f only when it said 2xx.

              hms-mesh curl photo-validator /stress-test
              hms-mesh curl -v identity-check /validate -d '{"passport":"C01X0006H"}'
              hms-mesh curl photo-validator /stress-test -n 2000 -c 32
            """
    )

    @Argument(help: ArgumentHelp("The service's name.", valueName: "service"))
    var service: String

    @Argument(help: ArgumentHelp("Path, with its query.", valueName: "path"))
    var path = "/"

    @Option(
        name: [.customShort("X"), .customLong("method")],
        help: ArgumentHelp("Method (default: GET, with a body POST).", valueName: "m")
    )
    var method: String?

    @Option(
        name: [.customShort("d"), .customLong("data")],
        help: ArgumentHelp("Body; @FILE reads it, @- from stdin.", valueName: "body")
    )
    var body: String?

    @Option(
        name: [.customShort("H"), .customLong("header")],
        help: ArgumentHelp("A field, again and again.", valueName: "name: value")
    )
    var header: [String] = []

    @Option(name: .customLong("json"), help: ArgumentHelp("Body, sent as JSON.", valueName: "data"))
    var jsonBody: String?

    @Flag(name: [.customShort("v"), .long], help: "Show every try, with times.")
    var verbose = false

    @Flag(name: [.customShort("f"), .customLong("fail")], help: "Exit with 1 where the answer is not 2xx.")
    var fails = false

    @Option(
        name: .customLong("as"),
        help: ArgumentHelp("Through the sidecar of this service of yours.", valueName: "service")
    )
    var asService: String?

    @Option(
        help: ArgumentHelp("https://HOST:PORT or unix:PATH, for where no sidecar runs.", valueName: "address")
    )
    var registry: String?

    @Option(help: ArgumentHelp("Give up after this long.", valueName: "duration"))
    var timeout: DurationArgument?

    @Option(name: [.customShort("n"), .long], help: ArgumentHelp("Send this many requests.", valueName: "n"))
    var requests: Int?

    @Option(name: [.customShort("c"), .long], help: ArgumentHelp("This many at once.", valueName: "c"))
    var concurrency = 1

    @Option(help: ArgumentHelp("text, or json: the summary of a load as JSON.", valueName: "form"))
    var output = Form.text

    @Option(help: ArgumentHelp("Colours: auto, always or never.", valueName: "when"))
    var color = ColorMode.auto

    enum Form: String, ExpressibleByArgument {
        case text, json
    }

    mutating func validate() throws {
        guard (1...10_000_000).contains(requests ?? 1) else {
            throw ValidationError("--requests takes 1 to 10,000,000")
        }
        guard (1...1_024).contains(concurrency) else { throw ValidationError("--concurrency takes 1 to 1024") }
        guard body == nil || jsonBody == nil else { throw ValidationError("-d and --json are two bodies: give one") }
        for field in header where !field.contains(":") { throw ValidationError("-H takes 'Name: value'") }
        if let begin = service.firstRange(of: "://")?.upperBound {
            let rest = service[begin...]
            let name = rest.prefix { $0 != "/" && $0 != ":" }
            let place = rest.firstIndex(of: "/").map { rest[$0...] } ?? "/"
            throw ValidationError("a service is called by its name: hms-mesh curl \(name) \(place)")
        }
        if !path.hasPrefix("/") { path = "/" + path }
        guard path.utf8.allSatisfy({ $0 > 0x20 && $0 != 0x7f }) else {
            throw ValidationError("a path has no spaces: write %20")
        }
        do {
            _ = try ServiceName(service)
        } catch {
            throw ValidationError(error.message)
        }
    }

    func run() async throws {
        let request = try request()
        do {
            try await run(request, through: try await SidecarChoice.find(as: asService))
        } catch let error as NoSidecar {
            guard let own = try await PersonalSidecar.start(registry: registry) else { throw error.commandError }
            let result: Result<Void, any Error>
            do { result = .success(try await run(request, through: own.choice)) } catch { result = .failure(error) }
            await own.stop()
            try result.get()
        }
    }

    private func run(_ request: SidecarCaller.Request, through choice: SidecarChoice) async throws {
        let printing = Output(color: color)
        if requests != nil || concurrency > 1 {
            return try await LoadRun(
                service: service,
                request: request,
                requests: requests ?? 1,
                concurrency: concurrency,
                isJSON: output == .json,
                printing: printing
            ).run(through: choice)
        }
        try await CallReport(service: service, request: request, isVerbose: verbose, fails: fails, output: printing)
            .run(through: choice)
    }

    private func request() throws -> SidecarCaller.Request {
        var request = SidecarCaller.Request(path: path)
        request.headers = [("host", service), ("user-agent", "hms-mesh"), ("accept", "*/*")]
        if let text = body ?? jsonBody {
            request.body = try Self.bytes(of: text)
            request.method = "POST"
            if !header.contains(where: { $0.lowercased().hasPrefix("content-type:") }) {
                request.headers.append(("content-type", "application/json"))
            }
        }
        if let method { request.method = method.uppercased() }
        if let timeout { request.headers.append(("x-hms-timeout-ms", String(timeout.milliseconds))) }
        for field in header {
            let colon = field.firstIndex(of: ":") ?? field.endIndex
            let value = field[colon...].dropFirst().drop { $0 == " " }
            guard (String(field[..<colon]) + value).utf8.allSatisfy({ $0 >= 0x20 && $0 != 0x7f }) else {
                throw CommandError("-H \(field[..<colon]) holds a control character", exitCode: .usage)
            }
            request.headers.append((String(field[..<colon]), String(value)))
        }
        return request
    }

    /// The text itself, or what `@FILE` holds.
    private static func bytes(of text: String) throws -> [UInt8] {
        guard text.hasPrefix("@") else { return Array(text.utf8) }
        let path = String(text.dropFirst())
        let descriptor = path == "-" ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else {
            throw CommandError("\(path) can't be read: \(String(cString: strerror(errno)))", exitCode: .unreachable)
        }
        defer { if descriptor != STDIN_FILENO { close(descriptor) } }
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 65_536)
        while true {
            let count = read(descriptor, &buffer, buffer.count)
            if count > 0 { bytes += buffer[..<count] } else if count == 0 || errno != EINTR { break }
        }
        return bytes
    }
}

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
            Goes through the nearest sidecar of yours. Exits with 0 when the application answered, whatever it said; with
            -f only when it said 2xx.

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
        let choice = try await SidecarChoice.find(as: asService)
        if requests != nil || concurrency > 1 {
            return try await LoadRun(
                service: service,
                request: request,
                requests: requests ?? 1,
                concurrency: concurrency,
                isJSON: output == .json,
                printing: Output(color: color)
            ).run(through: choice)
        }
        try await CallReport(
            service: service,
            request: request,
            isVerbose: verbose,
            fails: fails,
            output: Output(color: color)
        )
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

/// One call, and what people are told of it.
struct CallReport: Sendable {
    let service: String
    let request: SidecarCaller.Request
    let isVerbose: Bool
    let fails: Bool
    let output: Output

    /// How long the sidecar's line of this call may take to come.
    private static let linePatience = Duration.milliseconds(500)

    func run(through choice: SidecarChoice) async throws {
        var request = request
        let trace = Self.newTrace()
        if !request.headers.contains(where: { $0.name.lowercased() == "traceparent" }) {
            request.headers.append(
                ("traceparent", "00-\(trace)-\(Self.hexadecimal(UInt64.random(in: 1...UInt64.max)))-01")
            )
        }
        let account = isVerbose ? await follow(choice.admin, trace) : nil
        let caller = try SidecarCaller(address: choice.outbound)
        let response: SidecarCaller.Response
        do {
            response = try await caller.call(request)
        } catch let error as SidecarError {
            throw CommandError(error.message, hint: "is its sidecar up? hms-mesh status", exitCode: .unreachable)
        }
        if isVerbose { explain(response, choice, await account?.value) }
        let meshError = response.header("x-hms-error")
        if let meshError {
            throw failure(response, meshError)
        }
        output.write(response.body)
        if response.body.last != UInt8(ascii: "\n"), Output.isOutputTerminal { output.write("\n") }
        if fails, !(200..<300).contains(response.status) {
            throw CommandError("\(service) answered \(response.status)", exitCode: .notSo)
        }
    }

    private func failure(_ response: SidecarCaller.Response, _ code: String) -> CommandError {
        var message = "\(response.status)"
        var hint: String?
        try? JSONReader.parse(response.body) { (json) throws(RegistryModelError) in
            try json.object { (json, name) throws(RegistryModelError) in
                switch name {
                case "message": message = try json.string()
                case "hint": hint = try json.string()
                default: try json.skip()
                }
            }
        }
        return CommandError(
            "\(message.prefix(1).uppercased())\(message.dropFirst()) (x-hms-error: \(code))",
            hint: hint,
            exitCode: .notSo
        )
    }

    // MARK: -v

    /// The sidecar's own line of the call, listened for from before it is made; nil where it does not come in time.
    private func follow(_ admin: String?, _ trace: String) async -> Task<AccessLine?, Never>? {
        guard let admin else { return nil }
        let (lines, continuation) = AsyncStream<AccessLine?>.makeStream()
        let listening = Task {
            let cutter = CutterBox()
            do {
                try await SidecarCaller(address: "unix:\(admin)").stream(
                    SidecarCaller.Request(path: "/tail"),
                    onBegin: { continuation.yield(nil) }
                ) { bytes in
                    for line in cutter.take(bytes) where line.trace == trace && line.direction == "outbound" {
                        continuation.yield(line)
                    }
                }
            } catch {
                // No account is to be had: the call is made all the same.
            }
            continuation.finish()
        }
        var iterator = lines.makeAsyncIterator()
        // Nil: it has begun to listen, or can't.
        _ = await iterator.next()
        return Task {
            let patience = Task {
                try await Task.sleep(for: Self.linePatience)
                listening.cancel()
                continuation.finish()
            }
            defer { patience.cancel() }
            for await line in lines { if let line { return line } }
            return nil
        }
    }

    private func explain(_ response: SidecarCaller.Response, _ choice: SidecarChoice, _ line: AccessLine?) {
        let style = output.errorStyle
        let symbols = output.symbols
        let mtls = line?.isMutualTLS ?? true ? "mtls=on" : "mtls=off"
        output.note(
            style.dim(
                "\(symbols.next) \(request.method) http://\(service)\(request.path)  through \(choice.service)  \(mtls)"
            )
        )
        guard let line else {
            return output.note(
                style.dim("  \(response.status) \(symbols.separator) the sidecar's own account is not to be had")
            )
        }
        for (index, attempt) in line.tries.enumerated() {
            let isGood = attempt.status.map { $0 < 500 } ?? false
            let sign = isGood ? style.green(symbols.done) : style.red(symbols.wrong)
            let status = attempt.failed ?? attempt.status.map(String.init) ?? "-"
            let why = attempt.message.map { "  \($0)" } ?? ""
            output.note(
                "\(sign) try \(index + 1)/\(line.mostTries)  \(attempt.instance)  \(status)  \(TailColumns.took(attempt.microseconds))\(why)"
            )
            if let connect = attempt.connectMicroseconds {
                output.note(
                    style.dim(
                        "    connect and TLS \(TailColumns.took(connect))  wait \(TailColumns.took(attempt.microseconds - connect))"
                    )
                )
            }
        }
        let retries = line.tries.count - 1
        let retried = retries > 0 ? " \(symbols.separator) \(retries) \(retries == 1 ? "retry" : "retries")" : ""
        output.note(
            style.dim("  \(TailColumns.took(line.microseconds))\(retried) \(symbols.separator) trace \(line.trace)")
        )
    }

    private static func newTrace() -> String {
        hexadecimal(UInt64.random(in: 1...UInt64.max)) + hexadecimal(UInt64.random(in: 1...UInt64.max))
    }

    private static func hexadecimal(_ word: UInt64) -> String {
        let digits = String(word, radix: 16)
        return String(repeating: "0", count: 16 - digits.count) + digits
    }
}

import Glibc
import Mesh
import RegistryModel
import Terminal

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
                ("traceparent", "00-\(trace)-\(paddedHex(UInt64.random(in: 1...UInt64.max)))-01")
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
        if isVerbose { explain(response, choice, await account?()) }
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

    /// The sidecar's own line of the call, listened for from before it is made. What is returned waits for it, once the
    /// call is over; nil where it does not come in time.
    private func follow(_ admin: String?, _ trace: String) async -> (() async -> AccessLine?)? {
        guard let admin else { return nil }
        var query = TailQuery()
        query.trace = trace
        query.direction = .outbound
        let target = query.target
        let (lines, continuation) = AsyncStream<AccessLine?>.makeStream()
        let listening = Task {
            do {
                try await SidecarCaller(address: "unix:\(admin)").lines(
                    SidecarCaller.Request(path: target),
                    onBegin: { continuation.yield(nil) }
                ) { line in
                    if let line = AccessLine(line) { continuation.yield(line) }
                }
            } catch {
                // No account is to be had: the call is made all the same.
            }
            continuation.finish()
        }
        var iterator = lines.makeAsyncIterator()
        // Nil: it has begun to listen, or can't.
        _ = await iterator.next()
        return {
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
        let identity = choice.spiffeID.map { "as \($0)" } ?? "through \(choice.service)"
        let mtls = line.map { TailColumns.mtls($0) } ?? ""
        output.note(
            style.dim("\(output.symbols.next) \(request.method) http://\(service)\(request.path)  \(identity)  \(mtls)")
        )
        guard let line else {
            return output.note(
                style.dim("  \(response.status) \(output.symbols.separator) the sidecar's own account is not to be had")
            )
        }
        for text in CallAccount(line, response.reason).rendered(output.symbols, style) { output.note(text) }
    }

    private static func newTrace() -> String {
        paddedHex(UInt64.random(in: 1...UInt64.max)) + paddedHex(UInt64.random(in: 1...UInt64.max))
    }
}

/// What a sidecar did for one call: its tries, the phases of each that got an answer, and what it came to.
struct CallAccount: Sendable {
    private let line: AccessLine
    /// Of the response that went to the caller.
    private let reason: String

    init(_ line: AccessLine, _ reason: String) {
        self.line = line
        self.reason = reason
    }

    func rendered(_ symbols: Symbols, _ style: Style) -> [String] {
        let names = line.tries.map(\.instance.count).max() ?? 0
        let statuses = line.tries.indices.map { status($0).count }.max() ?? 0
        var lines: [String] = []
        for (index, attempt) in line.tries.enumerated() {
            let isGood = attempt.status.map { $0 < 500 } ?? false
            let sign = isGood ? style.green(symbols.done) : style.red(symbols.wrong)
            let columns = [
                "try \(index + 1)/\(line.mostTries)", attempt.instance.padded(to: max(9, names)),
                status(index).padded(to: max(9, statuses)), TailColumns.took(attempt.microseconds).leading(to: 7),
            ]
            let why =
                attempt.message.map { "  \($0)" + (attempt.isUndelivered ? ": not sent, safe to retry" : "") } ?? ""
            lines.append("\(sign) \(columns.joined(separator: "  "))\(why)")
            if attempt.status != nil { lines.append(style.dim("    " + phases(index).joined(separator: "  "))) }
        }
        let retries = line.tries.count - 1
        var facts = ["\(TailColumns.took(line.microseconds))\(limit)"]
        if retries > 0 { facts.append("\(retries) \(retries == 1 ? "retry" : "retries")") }
        facts.append("trace \(line.trace)")
        lines.append(style.dim("  " + facts.joined(separator: " \(symbols.separator) ")))
        return lines
    }

    private func status(_ index: Int) -> String {
        let attempt = line.tries[index]
        if let failed = attempt.failed { return failed }
        guard let status = attempt.status else { return "-" }
        return index == line.tries.count - 1 && status == line.status && !reason.isEmpty
            ? "\(status) \(reason)" : String(status)
    }

    private var limit: String {
        line.timeoutMilliseconds.map { " of \(HumanText.duration(milliseconds: Double($0)))" } ?? ""
    }

    /// Where the time of a try went.
    private func phases(_ index: Int) -> [String] {
        let attempt = line.tries[index]
        var phases: [(String, Int64)] = []
        if index > 0 {
            let before = line.tries[index - 1]
            phases.append(("backoff", attempt.atMicroseconds - before.atMicroseconds - before.microseconds))
        }
        let queue = attempt.queueMicroseconds ?? 0
        // Before the first try a call may wait for its name, or for room.
        phases.append(("queue", queue + (index == 0 ? attempt.atMicroseconds : 0)))
        let connection = attempt.connectMicroseconds ?? 0
        if attempt.connectMicroseconds != nil {
            phases.append(("connect", connection - (attempt.tlsMicroseconds ?? 0)))
            if let tls = attempt.tlsMicroseconds { phases.append(("TLS", tls)) }
        }
        phases.append(("wait", attempt.microseconds - queue - connection))
        if index == line.tries.count - 1, let body = line.bodyMicroseconds { phases.append(("body", body)) }
        return phases.map { name, microseconds in "\(name) \(TailColumns.took(max(0, microseconds)))" }
    }
}

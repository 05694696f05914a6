import RegistryModel
import Terminal

/// A request as columns, a line a try.
struct TailColumns: Sendable {
    private let output: Output
    /// Of the terminal; nil: nothing is cut.
    private let width: Int?

    init(_ output: Output, width: Int? = nil) {
        self.output = output
        self.width = width
    }

    func header() -> String {
        output.style.bold(row("TIME", "FROM", "TO", "TRY", "STATUS", "TOOK", "MTLS", "REQUEST")) + "\n"
    }

    func lines(_ line: AccessLine, _ source: TailSource) -> String {
        var text = ""
        for (index, attempt) in line.tries.enumerated() {
            let shown = row(
                Self.clock(line.time.advanced(by: .microseconds(attempt.atMicroseconds))),
                line.from,
                line.isMutualTLS ? "\(line.to)/\(attempt.instance)" : line.to,
                "\(index + 1)/\(line.mostTries)",
                attempt.failed ?? attempt.status.map(String.init) ?? "-",
                Self.took(attempt.microseconds),
                Self.mtls(line),
                Self.request(line)
            )
            text += paint(shown, attempt, line) + "\n"
        }
        if line.tries.isEmpty { text += untried(line, source) }
        if let below = Self.below(line) { text += output.style.dim("             \(below)") + "\n" }
        return text
    }

    /// What no instance got, and what came in.
    private func untried(_ line: AccessLine, _ source: TailSource) -> String {
        let shown = row(
            Self.clock(line.time),
            line.from,
            line.isOutbound ? line.to : "\(line.to)/\(source.id)",
            "-",
            String(line.status),
            Self.took(line.microseconds),
            Self.mtls(line),
            Self.request(line)
        )
        if line.status >= 500 { return output.style.red(shown) + "\n" }
        if line.status >= 400 { return output.style.yellow(shown) + "\n" }
        return (line.isMutualTLS ? output.style.green(shown) : output.style.blue(shown)) + "\n"
    }

    /// The second line: why the mesh itself answered, or what secures a call that leaves the mesh.
    static func below(_ line: AccessLine) -> String? {
        if let error = line.error { return "└ \(error): \(line.hint ?? "")" }
        guard !line.isMutualTLS else { return nil }
        return line.isTLS
            ? "└ external: TLS with system roots, host name checked"
            : "└ external: as it came, without TLS of the mesh's"
    }

    static func mtls(_ line: AccessLine) -> String {
        line.isMutualTLS ? "mtls=on" : "mtls=off"
    }

    static func request(_ line: AccessLine) -> String {
        line.path.isEmpty ? line.method : "\(line.method) \(line.path)"
    }

    private func paint(_ text: String, _ attempt: AccessLine.Try, _ line: AccessLine) -> String {
        guard let status = attempt.status, status < 500 else { return output.style.red(text) }
        if status >= 400 || line.tries.count > 1 { return output.style.yellow(text) }
        return line.isMutualTLS ? output.style.green(text) : output.style.blue(text)
    }

    private func row(
        _ time: String,
        _ from: String,
        _ to: String,
        _ attempt: String,
        _ status: String,
        _ took: String,
        _ mtls: String,
        _ request: String
    ) -> String {
        let text =
            "\(time.padded(to: 12)) \(from.padded(to: 15)) \(to.padded(to: 25)) \(attempt.padded(to: 3)) \(status.padded(to: 7)) \(took.leading(to: 7)) \(mtls.padded(to: 8)) \(request)"
        guard let width, text.count > width else { return text }
        return String(text.prefix(width - 1)) + output.symbols.ellipsis
    }

    /// `09:05:12.481`
    static func clock(_ time: Timestamp) -> String {
        let milliseconds = String(time.rawValue / 1_000_000 % 1_000)
        let padded = String(repeating: "0", count: max(0, 3 - milliseconds.count)) + milliseconds
        return LocalTime.clock(unixSeconds: time.unixSeconds) + "." + padded
    }

    static func took(_ microseconds: Int64) -> String {
        let milliseconds = Double(microseconds) / 1_000
        guard milliseconds < 1_000 else { return HumanText.duration(milliseconds: milliseconds) }
        let tenths = (milliseconds * 10).rounded() / 10
        return "\(tenths)ms"
    }
}

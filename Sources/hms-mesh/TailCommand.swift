import ArgumentParser
import Glibc
import Mesh
import RegistryModel
import Synchronization
import Terminal

struct TailCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "tail",
        abstract: "Show live what this user's sidecars on this machine call, every try of it.",
        discussion: """
              hms-mesh tail --service identity-check      as caller or callee
              hms-mesh tail --status 5xx --slow 200ms
            """
    )

    @Option(help: ArgumentHelp("Only requests from or to it.", valueName: "service"))
    var service: String?

    @Option(help: ArgumentHelp("Only requests from it.", valueName: "service"))
    var from: String?

    @Option(help: ArgumentHelp("Only these: 503, or 5xx.", valueName: "status"))
    var status: String?

    @Option(help: ArgumentHelp("Only paths that begin so.", valueName: "path"))
    var path: String?

    @Option(help: ArgumentHelp("Only requests that took at least this long.", valueName: "duration"))
    var slow: DurationArgument?

    @OptionGroup var printing: OutputOptions

    /// How often new sidecars are looked for.
    private static let rescan = Duration.seconds(1)

    mutating func validate() throws {
        guard let status else { return }
        guard status.count == 3, let first = status.first, "12345".contains(first),
            status.hasSuffix("xx") || Int(status) != nil
        else { throw ValidationError("--status takes 503, or 5xx") }
    }

    func run() async throws {
        let output = printing.output
        guard SidecarSockets.directory() != nil else {
            throw CommandError("neither XDG_RUNTIME_DIR nor HOME says where sidecars are", exitCode: .unreachable)
        }
        let watching = Watching()
        let filter = TailFilter(self)
        let columns = TailColumns(output)
        let isJSON = printing.json
        var wasEmpty = false
        while !Task.isCancelled {
            for socket in SidecarSockets.all() where watching.begin(socket) {
                Task { await follow(socket, watching, filter, columns, isJSON: isJSON) }
            }
            try? await Task.sleep(for: .milliseconds(50))
            if let count = watching.news() {
                let zone = LocalTime.zone(unixSeconds: Int64(time(nil)))
                output.note(
                    output.errorStyle.dim(
                        "Watching \(count) sidecar\(count == 1 ? "" : "s") on this machine \(output.symbols.separator) times \(zone)"
                    )
                )
                if !isJSON, !wasEmpty { output.write(columns.header()) }
                wasEmpty = true
            } else if watching.isEmpty, !wasEmpty {
                wasEmpty = true
                output.note(output.errorStyle.dim("No sidecar runs yet; waiting"))
            }
            try? await Task.sleep(for: Self.rescan)
        }
    }

    private func follow(
        _ socket: String,
        _ watching: Watching,
        _ filter: TailFilter,
        _ columns: TailColumns,
        isJSON: Bool
    ) async {
        let cutter = Mutex(LineCutter())
        let output = printing.output
        do {
            let caller = try SidecarCaller(address: "unix:\(socket)")
            let status = try await SidecarStatus.of(socket)
            watching.began(socket, "\(status.service)/\(status.id)")
            try await caller.stream(SidecarCaller.Request(path: "/tail")) { bytes in
                cutter.withLock { cutter in
                    cutter.take(bytes) { line in
                        guard let read = AccessLine(line) else { return }
                        if let skipped = read.skipped {
                            output.note(
                                output.errorStyle.dim(
                                    "\(output.symbols.ellipsis) \(HumanText.count(skipped)) lines skipped: narrow with --status, --path, --slow"
                                )
                            )
                        } else if filter.takes(read) {
                            output.write(isJSON ? Array(line) + [UInt8(ascii: "\n")] : Array(columns.lines(read).utf8))
                        }
                    }
                }
            }
        } catch {
            // It has ended, or is one that was killed: said below where it was there before.
        }
        if let name = watching.ended(socket) {
            output.note(output.errorStyle.yellow("\(output.symbols.warning) \(name) has stopped"))
        }
    }
}

/// Which sidecars are being watched.
private final class Watching: Sendable {
    private struct State {
        var sockets: Set<String> = []
        var names: [String: String] = [:]
        var told: Set<String> = []
    }

    private let state = Mutex(State())

    var isEmpty: Bool { state.withLock { $0.names.isEmpty } }

    func begin(_ socket: String) -> Bool {
        state.withLock { $0.sockets.insert(socket).inserted }
    }

    func began(_ socket: String, _ name: String) {
        state.withLock { $0.names[socket] = name }
    }

    /// - Returns: its name, where it had begun.
    func ended(_ socket: String) -> String? {
        state.withLock { state in
            state.sockets.remove(socket)
            return state.names.removeValue(forKey: socket)
        }
    }

    /// How many there are, where some were not told of yet.
    func news() -> Int? {
        state.withLock { state in
            let now = Set(state.names.keys)
            guard !now.subtracting(state.told).isEmpty else { return nil }
            state.told = now
            return now.count
        }
    }
}

/// Which lines are wanted. An inbound line tells of what an outbound one told already, unless nobody here sent it.
struct TailFilter: Sendable {
    private let service: String?
    private let from: String?
    private let status: String?
    private let path: String?
    private let slowMicroseconds: Int64

    init(_ command: TailCommand) {
        service = command.service
        from = command.from
        status = command.status
        path = command.path
        slowMicroseconds = command.slow.map { Int64($0.milliseconds) * 1_000 } ?? 0
    }

    func takes(_ line: AccessLine) -> Bool {
        guard line.direction == "outbound" else { return false }
        if let service, line.from != service, line.to != service { return false }
        if let from, line.from != from { return false }
        if let path, !line.path.hasPrefix(path) { return false }
        if line.microseconds < slowMicroseconds { return false }
        guard let status else { return true }
        let statuses = [line.status] + line.tries.compactMap(\.status)
        return statuses.contains { status.hasSuffix("xx") ? String($0).first == status.first : String($0) == status }
    }
}

/// A request as columns, a line a try.
struct TailColumns: Sendable {
    private let output: Output

    init(_ output: Output) {
        self.output = output
    }

    func header() -> String {
        output.style.bold(row("TIME", "FROM", "TO", "TRY", "STATUS", "TOOK", "MTLS", "REQUEST")) + "\n"
    }

    func lines(_ line: AccessLine) -> String {
        let request = "\(line.method) \(line.path)"
        let mtls = line.isMutualTLS ? "mtls=on" : "mtls=off"
        var text = ""
        for (index, attempt) in line.tries.enumerated() {
            let status = attempt.failed ?? attempt.status.map(String.init) ?? "-"
            let time = line.time.advanced(
                by: .microseconds(-line.tries[(index + 1)...].reduce(0) { $0 + $1.microseconds })
            )
            let shown = row(
                Self.clock(time),
                line.from,
                "\(line.to)/\(attempt.instance)",
                "\(index + 1)/\(line.mostTries)",
                status,
                Self.took(attempt.microseconds),
                mtls,
                request
            )
            text += paint(shown, attempt, isLast: index == line.tries.count - 1, line) + "\n"
        }
        if line.tries.isEmpty {
            let shown = row(
                Self.clock(line.time),
                line.from,
                line.to,
                "-",
                String(line.status),
                Self.took(line.microseconds),
                mtls,
                request
            )
            text +=
                (line.status >= 500 ? output.style.red(shown) : line.status >= 400 ? output.style.yellow(shown) : shown)
                + "\n"
        }
        if let error = line.error {
            text += output.style.dim("             └ \(error): \(line.hint ?? "")") + "\n"
        }
        return text
    }

    private func paint(_ text: String, _ attempt: AccessLine.Try, isLast: Bool, _ line: AccessLine) -> String {
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
        "\(padded(time, 12)) \(padded(from, 15)) \(padded(to, 25)) \(padded(attempt, 3)) \(padded(status, 7)) \(leading(took, 7)) \(padded(mtls, 8)) \(request)"
    }

    private func padded(_ text: String, _ width: Int) -> String {
        text.count >= width ? text : text + String(repeating: " ", count: width - text.count)
    }

    private func leading(_ text: String, _ width: Int) -> String {
        text.count >= width ? text : String(repeating: " ", count: width - text.count) + text
    }

    /// `09:05:12.481`
    static func clock(_ time: Timestamp) -> String {
        let milliseconds = String(time.rawValue / 1_000_000 % 1_000)
        let padded = String(repeating: "0", count: max(0, 3 - milliseconds.count)) + milliseconds
        return LocalTime.clock(unixSeconds: time.rawValue / 1_000_000_000) + "." + padded
    }

    static func took(_ microseconds: Int64) -> String {
        let milliseconds = Double(microseconds) / 1_000
        guard milliseconds < 1_000 else { return HumanText.duration(milliseconds: milliseconds) }
        let tenths = (milliseconds * 10).rounded() / 10
        return "\(tenths)ms"
    }
}

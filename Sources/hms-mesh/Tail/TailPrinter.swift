import Glibc
import Mesh
import RegistryModel
import Synchronization
import Terminal

/// Where the lines of all sidecars come together, and go to the screen in whole pieces.
final class TailPrinter: Sendable {
    enum Form: Sendable {
        /// As they come.
        case lines
        /// Gathered by request.
        case tree
    }

    private struct State {
        var hasHeader = false
        var skipped: UInt64 = 0
        var toldSkipped = ContinuousClock.now
        var forest = TraceForest()
    }

    /// How often it is said what was left out.
    private static let skippedInterval = Duration.seconds(1)

    let form: Form
    private let query: TailQuery
    private let isJSON: Bool
    private let output: Output
    private let columns: TailColumns
    private let state = Mutex(State())

    init(_ form: Form, _ query: TailQuery, isJSON: Bool, _ output: Output) {
        self.form = form
        self.query = query
        self.isJSON = isJSON
        self.output = output
        columns = TailColumns(output, width: Output.outputWidth)
    }

    /// - Parameter services: whose own sidecars tell what they send: it need not be said a second time.
    func take(_ bytes: ArraySlice<UInt8>, from source: TailSource, unlessFrom services: Set<String>) {
        guard let line = AccessLine(bytes) else { return }
        state.withLock { state in
            if let skipped = line.skipped {
                state.skipped += skipped
            } else if form == .tree {
                let hop = TraceForest.Hop(line: line, source: source, document: isJSON ? Array(bytes) : [])
                show(state.forest.add(hop, now: .now))
            } else if line.isOutbound || !services.contains(line.from) {
                writeHeader(&state)
                output.write(isJSON ? Array(bytes) + [UInt8(ascii: "\n")] : Array(columns.lines(line, source).utf8))
            }
        }
    }

    /// What waits for its time. Called several times a second.
    func tick() {
        state.withLock { state in
            show(state.forest.due(now: .now))
            guard state.skipped > 0, .now - state.toldSkipped >= Self.skippedInterval else { return }
            tellSkipped(&state)
        }
    }

    /// All that waits.
    func finish() {
        state.withLock { state in
            show(state.forest.all())
            if state.skipped > 0 { tellSkipped(&state) }
        }
    }

    /// Ctrl-C ends the program with what it has, and with 130.
    func endsOnSignal() {
        let signals = StopSignals()
        Task {
            let number = await signals.received()
            finish()
            exit(128 + number)
        }
    }

    func note(_ news: [TailNews], of place: String = "on this machine") {
        state.withLock { state in
            for item in news { note(item, place, &state) }
        }
    }

    private func note(_ news: TailNews, _ place: String, _ state: inout State) {
        let style = output.errorStyle
        switch news {
        case .none: output.note(style.dim("No sidecar runs yet; waiting"))
        case .began(let count):
            let zone = LocalTime.zone(unixSeconds: Int64(time(nil)))
            output.note(
                style.dim(
                    "Watching \(Self.sidecars(count)) \(place) \(output.symbols.separator) times \(zone)"
                )
            )
            writeHeader(&state)
        case .isElsewhere(let service, let near):
            let hint = near.map { "did you mean \($0)?" } ?? "its lines come once somebody here calls it"
            output.note(
                style.yellow(
                    "\(output.symbols.warning) no sidecar of \(service) \(place) \(output.symbols.separator) \(hint)"
                )
            )
        case .came(let source, let count):
            output.note(style.dim("\(output.symbols.done) \(source) has started; watching \(Self.sidecars(count))"))
        case .stopped(let source, let count):
            output.note(
                style.yellow("\(output.symbols.warning) \(source) has stopped; watching \(Self.sidecars(count))")
            )
        }
    }

    private static func sidecars(_ count: Int) -> String {
        HumanText.counted(UInt64(count), "sidecar")
    }

    private func writeHeader(_ state: inout State) {
        guard form == .lines, !isJSON, !state.hasHeader else { return }
        state.hasHeader = true
        output.write(columns.header())
    }

    private func tellSkipped(_ state: inout State) {
        let span = ContinuousClock.now - state.toldSkipped
        let when =
            span < .seconds(2) ? "the last second" : "the last \(HumanText.duration(milliseconds: span.inMilliseconds))"
        if isJSON { output.write("{\"skipped\":\(state.skipped)}\n") }
        output.note(
            output.errorStyle.dim(
                "\(output.symbols.ellipsis) \(HumanText.counted(state.skipped, "line")) skipped in \(when): narrow with --status, --path, --slow"
            )
        )
        state.skipped = 0
        state.toldSkipped = .now
    }

    private func show(_ traces: [TraceForest.Trace]) {
        for trace in traces where trace.hops.contains(where: { query.matches($0.line) }) {
            let tree = TraceTree(trace.hops)
            output.write(isJSON ? tree.json() : tree.rendered(output))
        }
    }
}

import Mesh
import RegistryModel
import Terminal

/// What a load came to, for people and for scripts.
struct LoadSummary: Sendable {
    let tally: LoadTally
    let seconds: Double
    /// What the sidecar says of the service's instances, before and after; nil where it can't be asked.
    var before: SidecarStatus.Upstream?
    var after: SidecarStatus.Upstream?

    private static let points = [("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("p99.9", 0.999), ("max", 1.0)]
    private static let cells = 20
    private static let mostReasons = 5

    // MARK: For people

    func rendered(_ style: Style, _ symbols: Symbols) -> [String] {
        let dot = symbols.separator
        let rate = HumanText.count(UInt64(Double(tally.done) / max(seconds, 0.001)))
        let took = HumanText.duration(milliseconds: seconds * 1_000)
        let succeeded = "succeeded \(Self.percent(tally.succeeded, of: tally.done, digits: 2))"
        var lines = [
            "  requests  \(HumanText.count(UInt64(tally.done))) \(dot) \(rate)/s \(dot) \(took)     "
                + (tally.succeeded == tally.done ? style.green(succeeded) : style.red(succeeded))
                + " \(dot) retried \(tally.retried) (\(Self.percent(tally.retried, of: tally.done, digits: 1)))"
        ]
        let sorted = tally.times.sorted
        let points = Self.points.map { name, share in "\(name) \(TailColumns.took(sorted.quantile(share)))" }
        lines.append("  latency   " + points.joined(separator: "  "))
        lines += Self.histogram(tally.times, style, symbols)
        if !tally.places.isEmpty { lines += Self.lines(places, style) }
        if !tally.reasons.isEmpty { lines += Self.lines(reasons, style) }
        return lines
    }

    /// By powers of two of a millisecond; what failed stands behind what did not, in red.
    static func histogram(_ times: LoadTally.Times, _ style: Style, _ symbols: Symbols) -> [String] {
        var buckets: [(bound: Int64, good: Int, failed: Int)] = []
        var bound: Int64 = 1_000
        var good = times.microseconds.sorted()[...]
        var failed = times.failed.sorted()[...]
        while !good.isEmpty || !failed.isEmpty {
            let within = (good.prefix { $0 <= bound }.count, failed.prefix { $0 <= bound }.count)
            if within.0 + within.1 > 0 || !buckets.isEmpty { buckets.append((bound, within.0, within.1)) }
            good = good.dropFirst(within.0)
            failed = failed.dropFirst(within.1)
            bound *= 2
        }
        let most = max(1, buckets.map { $0.good + $0.failed }.max() ?? 1)
        return buckets.map { bound, good, failed in
            let label = "≤\(bound / 1_000)ms"
            let bar = symbols.bar.full
            let count = good + failed
            let cells = count == 0 ? 0 : max(1, count * Self.cells / most)
            let red = failed == 0 ? 0 : max(1, cells * failed / count)
            return label.leading(to: 10) + " " + style.green(String(repeating: bar, count: cells - red))
                + style.red(String(repeating: bar, count: red)) + " \(HumanText.count(UInt64(count)))"
                + (failed == 0 ? "" : " (\(HumanText.count(UInt64(failed))) failed)")
        }
    }

    private var places: Table {
        var table = Table([
            Table.Column("INSTANCE"), Table.Column("REQUESTS", .right), Table.Column("FAILED TRIES", .right),
            Table.Column("P50", .right), Table.Column("P99", .right), Table.Column("BREAKER"),
        ])
        for id in instanceIDs {
            let times = tally.places[id] ?? LoadTally.Times()
            let sorted = times.sorted
            let breaker = breaker(of: id)
            let failed = failedTries(of: id)
            let color: Style.Color = breaker.isOpen || failed ?? 0 > 0 ? .yellow : .plain
            let cells = [
                id, HumanText.count(UInt64(times.count)), failed.map(HumanText.count) ?? "-",
                sorted.isEmpty ? "-" : TailColumns.took(sorted.quantile(0.5)),
                sorted.isEmpty ? "-" : TailColumns.took(sorted.quantile(0.99)), breaker.text,
            ]
            table.append(cells.map { Table.Cell($0, color) })
        }
        return table
    }

    private var reasons: Table {
        var table = Table([Table.Column("FAILED", .right), Table.Column("WHY")])
        let sorted = tally.reasons.sorted { ($0.value, $1.key) > ($1.value, $0.key) }
        for (reason, count) in sorted.prefix(Self.mostReasons) {
            table.append([Table.Cell(HumanText.count(UInt64(count)), .red), Table.Cell(reason, .red)])
        }
        let rest = sorted.dropFirst(Self.mostReasons).reduce(0) { $0 + $1.value }
        if rest > 0 { table.append([Table.Cell(HumanText.count(UInt64(rest))), Table.Cell("other reasons")]) }
        return table
    }

    private static func lines(_ table: Table, _ style: Style) -> [String] {
        table.rendered(style).split(separator: "\n").map { "  \($0)" }
    }

    // MARK: By instance

    /// Those that answered, and those at which tries failed.
    private var instanceIDs: [String] {
        let failing = (after?.instances ?? []).map(\.id).filter { failedTries(of: $0) ?? 0 > 0 }
        return Set(tally.places.keys).union(failing).sorted()
    }

    /// Those that the sidecar counted while the load ran; nil where it does not say.
    func failedTries(of id: String) -> UInt64? {
        guard let now = after?.instances.first(where: { $0.id == id }) else { return nil }
        let then = before?.instances.first { $0.id == id }?.failedTries ?? 0
        return now.failedTries >= then ? now.failedTries - then : now.failedTries
    }

    /// - Returns: `open 22s (5 refused in a row)`, `closed`.
    private func breaker(of id: String) -> (text: String, isOpen: Bool) {
        guard let instance = after?.instances.first(where: { $0.id == id }) else { return ("-", false) }
        guard let left = instance.ejectedMilliseconds else { return ("closed", false) }
        return (
            "open \(HumanText.duration(milliseconds: Double(left))) (\(instance.failuresInARow) \(instance.last) in a row)",
            true
        )
    }

    // MARK: For scripts

    func json() -> String {
        let sorted = tally.times.sorted
        var json = JSONWriter()
        json.beginObject()
        json.member("requests", tally.done)
        json.member("succeeded", tally.succeeded)
        json.member("retried", tally.retried)
        json.key("seconds")
        json.write(seconds)
        for (name, share) in [("p50_us", 0.5), ("p90_us", 0.9), ("p99_us", 0.99), ("p999_us", 0.999), ("max_us", 1.0)] {
            json.member(name, sorted.quantile(share))
        }
        json.key("instances")
        json.beginObject()
        for (id, times) in tally.places.sorted(by: { $0.key < $1.key }) { json.member(id, times.count) }
        json.endObject()
        json.key("failed_tries")
        json.beginObject()
        for id in instanceIDs { if let failed = failedTries(of: id) { json.member(id, failed) } }
        json.endObject()
        json.key("failures")
        json.beginObject()
        for (reason, count) in tally.reasons.sorted(by: { $0.key < $1.key }) { json.member(reason, count) }
        json.endObject()
        json.endObject()
        return json.string + "\n"
    }

    /// Rounded down, so that 100 % means all of them.
    static func percent(_ part: some BinaryInteger, of whole: some BinaryInteger, digits: Int) -> String {
        HumanText.percent(whole == 0 ? 0 : Double(part) / Double(whole), digits: digits)
    }
}

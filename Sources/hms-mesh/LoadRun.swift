import ArgumentParser
import Mesh
import RegistryModel
import Synchronization
import Terminal

/// Many calls at a fixed number in flight, and a summary: how many, how fast, which instances, what failed.
struct LoadRun: Sendable {
    let service: String
    let request: SidecarCaller.Request
    let requests: Int
    let concurrency: Int
    let isJSON: Bool
    let printing: Output

    private struct Tally: Sendable {
        struct Place: Sendable {
            var requests = 0
            var microseconds: [Int64] = []
        }

        var started = 0
        var done = 0
        var succeeded = 0
        var retried = 0
        var microseconds: [Int64] = []
        var places: [String: Place] = [:]
        var reasons: [String: Int] = [:]

        mutating func take(_ result: Result<SidecarCaller.Response, any Error>, _ took: Int64) {
            done += 1
            microseconds.append(took)
            switch result {
            case .success(let response):
                let isGood = (200..<400).contains(response.status)
                if isGood { succeeded += 1 }
                if let tries = response.header("x-hms-attempts").flatMap({ Int($0) }), tries > 1 { retried += 1 }
                if let place = response.header("x-hms-instance") {
                    let id = place.split(separator: "/").last.map(String.init) ?? place
                    places[id, default: Place()].requests += 1
                    places[id]?.microseconds.append(took)
                }
                if !isGood { reasons[response.header("x-hms-error") ?? String(response.status), default: 0] += 1 }
            case .failure(let error): reasons["\(error)", default: 0] += 1
            }
        }
    }

    private final class Shared: Sendable {
        let tally = Mutex(Tally())
    }

    func run(through choice: SidecarChoice) async throws {
        let shared = Shared()
        let clock = ContinuousClock()
        let began = clock.now
        let bar = ProgressBar("calling", noun: "requests")
        await withTaskGroup(of: Void.self) { group in
            for _ in 0..<min(concurrency, requests) { group.addTask { await self.work(choice, shared, clock) } }
            group.addTask {
                while !Task.isCancelled {
                    let (done, isOver) = shared.tally.withLock { ($0.done, $0.done >= requests) }
                    bar.update(UInt64(done), of: UInt64(requests))
                    if isOver { return }
                    try? await Task.sleep(for: .milliseconds(50))
                }
            }
        }
        bar.finish()
        let tally = shared.tally.withLock { $0 }
        let took = began.duration(to: clock.now)
        let seconds = took.inSeconds
        if isJSON { printing.write(Self.json(tally, seconds)) } else { show(tally, seconds) }
        if tally.succeeded < requests { throw ExitCode.notSo }
    }

    private func work(_ choice: SidecarChoice, _ shared: Shared, _ clock: ContinuousClock) async {
        guard let caller = try? SidecarCaller(address: choice.outbound) else { return }
        while shared.tally.withLock({ tally in
            guard tally.started < requests else { return false }
            tally.started += 1
            return true
        }) {
            let began = clock.now
            let result: Result<SidecarCaller.Response, any Error>
            do {
                result = .success(try await caller.call(request))
            } catch {
                result = .failure(error)
            }
            let took = began.duration(to: clock.now)
            let microseconds = took.components.seconds * 1_000_000 + took.components.attoseconds / 1_000_000_000_000
            shared.tally.withLock { $0.take(result, microseconds) }
        }
    }

    // MARK: The summary

    private func show(_ tally: Tally, _ seconds: Double) {
        let style = printing.errorStyle
        let dot = printing.symbols.separator
        let rate = HumanText.count(UInt64(Double(tally.done) / max(seconds, 0.001)))
        let percent = Self.hundredths(Double(tally.succeeded) * 100 / Double(max(1, tally.done)))
        let retried = Self.tenths(Double(tally.retried) * 100 / Double(max(1, tally.done)))
        let succeeded = "succeeded \(percent)%"
        printing.note(
            "  requests  \(HumanText.count(UInt64(tally.done))) \(dot) \(rate)/s \(dot) \(HumanText.duration(milliseconds: seconds * 1_000))     "
                + (tally.succeeded == tally.done ? style.green(succeeded) : style.red(succeeded))
                + " \(dot) retried \(tally.retried) (\(retried)%)"
        )
        let sorted = tally.microseconds.sorted()
        let points = [("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("p99.9", 0.999), ("max", 1.0)].map { name, share in
            "\(name) \(TailColumns.took(Self.quantile(sorted, share)))"
        }
        printing.note("  latency   " + points.joined(separator: "  "))
        for line in Self.histogram(sorted, style) { printing.note(line) }
        for (reason, count) in tally.reasons.sorted(by: { $0.value > $1.value }).prefix(5) {
            printing.note("  " + style.red("\(HumanText.count(UInt64(count))) \u{d7} \(reason)"))
        }
        var table = Table([
            Table.Column("INSTANCE"), Table.Column("REQUESTS", .right), Table.Column("P50", .right),
            Table.Column("P99", .right),
        ])
        for (id, place) in tally.places.sorted(by: { $0.key < $1.key }) {
            let sorted = place.microseconds.sorted()
            table.append([
                Table.Cell(id), Table.Cell(HumanText.count(UInt64(place.requests))),
                Table.Cell(TailColumns.took(Self.quantile(sorted, 0.5))),
                Table.Cell(TailColumns.took(Self.quantile(sorted, 0.99))),
            ])
        }
        if !tally.places.isEmpty { printing.note(String(table.rendered(style).dropLast())) }
    }

    /// By powers of two of a millisecond.
    private static func histogram(_ sorted: [Int64], _ style: Style) -> [String] {
        var buckets: [(bound: Int64, count: Int)] = []
        var bound: Int64 = 1_000
        var rest = sorted[...]
        while !rest.isEmpty {
            let within = rest.prefix { $0 <= bound }
            if !within.isEmpty || !buckets.isEmpty { buckets.append((bound, within.count)) }
            rest = rest.dropFirst(within.count)
            bound *= 2
        }
        let most = buckets.map(\.count).max() ?? 1
        return buckets.map { bound, count in
            let label = "≤\(bound / 1_000)ms"
            let bar = String(repeating: "█", count: count == 0 ? 0 : max(1, count * 20 / most))
            return String(repeating: " ", count: max(0, 10 - label.count)) + label + " " + style.green(bar)
                + " \(HumanText.count(UInt64(count)))"
        }
    }

    private static func json(_ tally: Tally, _ seconds: Double) -> String {
        let sorted = tally.microseconds.sorted()
        var json = JSONWriter()
        json.beginObject()
        json.member("requests", tally.done)
        json.member("succeeded", tally.succeeded)
        json.member("retried", tally.retried)
        json.key("seconds")
        json.write(seconds)
        for (name, share) in [("p50_us", 0.5), ("p90_us", 0.9), ("p99_us", 0.99), ("p999_us", 0.999), ("max_us", 1.0)] {
            json.member(name, quantile(sorted, share))
        }
        json.key("instances")
        json.beginObject()
        for (id, place) in tally.places.sorted(by: { $0.key < $1.key }) { json.member(id, place.requests) }
        json.endObject()
        json.key("failures")
        json.beginObject()
        for (reason, count) in tally.reasons.sorted(by: { $0.key < $1.key }) { json.member(reason, count) }
        json.endObject()
        json.endObject()
        return json.string + "\n"
    }

    private static func quantile(_ sorted: [Int64], _ share: Double) -> Int64 {
        guard !sorted.isEmpty else { return 0 }
        return sorted[min(sorted.count - 1, Int(Double(sorted.count) * share))]
    }

    private static func tenths(_ value: Double) -> String {
        "\((value * 10).rounded() / 10)"
    }

    private static func hundredths(_ value: Double) -> String {
        let scaled = Int((value * 100).rounded(.down))
        return "\(scaled / 100).\(scaled % 100 < 10 ? "0" : "")\(scaled % 100)"
    }
}

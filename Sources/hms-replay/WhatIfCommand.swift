import ArgumentParser
import RegistryModel
import Replay
import Terminal

struct WhatIfCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "what-if",
        abstract: "How recorded history would have gone under other rules of silence.",
        discussion: """
            Runs recorded heartbeats again through the very code that decides live. A false expiry is one that the \
            instance outlived: it beat again later.

            EXAMPLES
              hms-replay what-if --ttl 15s --since 7d --data ./data
              hms-replay what-if --ttl 60s --guard-fraction 0.5 --data ./data --json
            """
    )

    /// Of the services that would have differed, the worst first; --all shows all.
    private static let servicesShown = 20

    @Option(help: ArgumentHelp("The ttl to suppose.", valueName: "duration"))
    var ttl: DurationArgument?

    @Option(help: ArgumentHelp("The deregister-after to suppose.", valueName: "duration"))
    var deregisterAfter: DurationArgument?

    @Option(help: ArgumentHelp("The guard's share to suppose.", valueName: "share"))
    var guardFraction: Double?

    @Option(help: ArgumentHelp("The guard's smallest number to suppose.", valueName: "count"))
    var guardMin: Int?

    @Option(
        help: ArgumentHelp(
            "The ttl that was in force, which the log does not hold (default: 30s).",
            valueName: "duration"
        )
    )
    var recordedTTL: DurationArgument?

    @Option(help: ArgumentHelp("From this moment on (default: 1d).", valueName: "time"))
    var since: MomentArgument?

    @Option(help: ArgumentHelp("Through this moment (default: now).", valueName: "time"))
    var until: MomentArgument?

    @Flag(help: "Every service that would have differed.")
    var all = false

    @OptionGroup var source: SourceOptions
    @OptionGroup var options: OutputOptions

    func validate() throws {
        guard ttl != nil || deregisterAfter != nil || guardFraction != nil || guardMin != nil else {
            throw ValidationError("say what to suppose: --ttl, --deregister-after, --guard-fraction or --guard-min")
        }
        guard guardFraction.map({ (0.01...1).contains($0) }) ?? true else {
            throw ValidationError("--guard-fraction is a share from 0.01 to 1")
        }
    }

    func run() async throws {
        let output = options.output
        let recorded = recordedRules
        let supposed = supposedRules(recorded)
        let result = try answering { try simulate(recorded, supposed) }
        if options.json { return output.write(Self.json(result, recorded, supposed)) }
        show(result, recorded, supposed, output)
    }

    private var recordedRules: PolicySimulation.Rules {
        var rules = PolicySimulation.Rules()
        if let recordedTTL { rules.policy.ttl = recordedTTL.duration }
        return rules
    }

    private func supposedRules(_ recorded: PolicySimulation.Rules) -> PolicySimulation.Rules {
        var rules = recorded
        if let ttl { rules.policy.ttl = ttl.duration }
        if let deregisterAfter { rules.policy.deregisterAfter = deregisterAfter.duration }
        if let guardFraction { rules.guardOptions.fraction = guardFraction }
        if let guardMin { rules.guardOptions.minimum = max(1, guardMin) }
        return rules
    }

    private func simulate(
        _ recorded: PolicySimulation.Rules,
        _ supposed: PolicySimulation.Rules
    ) throws -> PolicySimulation {
        let opened = try source.open()
        let end = try (until?.moment ?? .now).resolve(in: opened).time
        var start = end.advanced(by: .seconds(-86_400))
        if let since {
            if case .time(let time) = since.moment {
                start = time
            } else {
                start = try since.moment.resolve(in: opened).time
            }
        } else if let first = try opened.firstTime {
            start = max(start, first)
        }
        let total = try LogStatistics.heartbeats(in: opened)
        let bar = ProgressBar("re-running", noun: "heartbeats")
        defer { bar.finish() }
        return try PolicySimulation.run(opened, since: start, until: end, recorded: recorded, supposed: supposed) {
            bar.update($0, of: total)
        }
    }

    private func show(
        _ result: PolicySimulation,
        _ recorded: PolicySimulation.Rules,
        _ supposed: PolicySimulation.Rules,
        _ output: Output
    ) {
        let style = output.style
        let separator = " \(output.symbols.separator) "
        output.write(
            style.dim(
                "\(Self.text(recorded)) as recorded, \(Self.text(supposed)) supposed\(separator)"
                    + "\(result.since.utcText) to \(result.until.utcText)\(separator)"
                    + HumanText.counted(result.heartbeats, "heartbeat")
            ) + "\n"
        )
        var table = Table([
            .init(""), .init("RECORDED", .right), .init("SUPPOSED", .right), .init("CHANGE", .right), .init(""),
        ])
        let rows: [(String, Int64, Int64)] = [
            (
                "dead instances routable, seconds", result.recorded.deadMilliseconds / 1_000,
                result.supposed.deadMilliseconds / 1_000
            ),
            (
                "expired though alive (false)", Int64(clamping: result.recorded.falseExpiries),
                Int64(clamping: result.supposed.falseExpiries)
            ), ("guard trips", Int64(clamping: result.recordedGuardTrips), Int64(clamping: result.supposedGuardTrips)),
        ]
        for (name, before, after) in rows {
            let color: Style.Color = after < before ? .green : after > before ? .red : .plain
            table.append([
                .init(name), .init(HumanText.count(UInt64(clamping: before))),
                .init(HumanText.count(UInt64(clamping: after))),
                .init(after == before ? "0" : "\(after > before ? "+" : "")\(after - before)", color),
                .init(after == before ? "same" : after < before ? "better" : "worse", color),
            ])
        }
        output.table(table)
        showServices(result, output)
        output.write(style.bold(result.advice) + "\n")
    }

    private func showServices(_ result: PolicySimulation, _ output: Output) {
        guard !result.services.isEmpty else { return }
        var table = Table([.init("SERVICE"), .init("DEAD SECONDS", .right), .init("FALSE EXPIRIES", .right)])
        for service in all ? result.services[...] : result.services.prefix(Self.servicesShown) {
            let isWorse = service.supposed.falseExpiries > service.recorded.falseExpiries
            table.append([
                .init(service.service.description, isWorse ? .red : .plain),
                .init("\(service.recorded.deadMilliseconds / 1_000) → \(service.supposed.deadMilliseconds / 1_000)"),
                .init("\(service.recorded.falseExpiries) → \(service.supposed.falseExpiries)"),
            ])
        }
        output.table(table)
        let rest = result.services.count - Self.servicesShown
        if !all, rest > 0 { output.note(output.errorStyle.dim("and \(rest) more: --all")) }
    }

    private static func text(_ rules: PolicySimulation.Rules) -> String {
        "ttl \(HumanText.duration(milliseconds: Double(rules.policy.ttl.milliseconds)))"
    }

    private static func json(
        _ result: PolicySimulation,
        _ recorded: PolicySimulation.Rules,
        _ supposed: PolicySimulation.Rules
    ) -> [UInt8] {
        var json = JSONWriter(reservingCapacity: 2_048)
        func tally(_ name: String, _ tally: PolicySimulation.Tally) {
            json.key(name)
            json.beginObject()
            json.member("dead_routable_ms", tally.deadMilliseconds)
            json.member("false_expiries", tally.falseExpiries)
            json.member("expiries", tally.expiries)
            json.endObject()
        }
        json.beginObject()
        json.member("since", result.since)
        json.member("until", result.until)
        json.member("heartbeats", result.heartbeats)
        json.member("recorded_ttl_ms", recorded.policy.ttl.milliseconds)
        json.member("supposed_ttl_ms", supposed.policy.ttl.milliseconds)
        tally("recorded", result.recorded)
        tally("supposed", result.supposed)
        json.member("recorded_guard_trips", result.recordedGuardTrips)
        json.member("supposed_guard_trips", result.supposedGuardTrips)
        json.key("services")
        json.beginArray()
        for service in result.services {
            json.beginObject()
            json.member("service", service.service.description)
            tally("recorded", service.recorded)
            tally("supposed", service.supposed)
            json.endObject()
        }
        json.endArray()
        json.member("advice", result.advice)
        json.endObject()
        return json.bytes + [UInt8(ascii: "\n")]
    }
}

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
              hms-replay what-if --ttl 2m --service passport-printer --data ./data
              hms-replay what-if --ttl 60s --guard-fraction 0.5 --data ./data --json
            """
    )

    /// Of the services that would have differed, the worst first; --all shows all.
    private static let servicesShown = 20

    @Option(help: ArgumentHelp("The ttl to suppose.", valueName: "duration"))
    var ttl: DurationArgument?

    @Option(help: ArgumentHelp("The deregister-after to suppose.", valueName: "duration"))
    var deregisterAfter: DurationArgument?

    @Option(
        help: ArgumentHelp(
            "Suppose --ttl and --deregister-after in this service's own policy; everybody else's rules stay.",
            valueName: "service"
        )
    )
    var service: String?

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
        let supposed = try answering { try supposedRules() }
        let result = try answering { try simulate(supposed) }
        if options.json { return output.write(json(result)) }
        show(result, output)
    }

    private var recorded: Duration {
        recordedTTL?.duration ?? HealthPolicy.default.ttl
    }

    private func supposedRules() throws -> PolicySimulation.Rules {
        var rules = PolicySimulation.Rules()
        rules.policy.ttl = recorded
        if let service {
            rules.overrides[try ServiceName(service)] = MeshPolicy(
                ttlMilliseconds: ttl?.milliseconds,
                deregisterAfterMilliseconds: deregisterAfter?.milliseconds
            )
        } else {
            if let ttl { rules.policy.ttl = ttl.duration }
            if let deregisterAfter { rules.policy.deregisterAfter = deregisterAfter.duration }
        }
        if let guardFraction { rules.guardOptions.fraction = guardFraction }
        if let guardMin { rules.guardOptions.minimum = max(1, guardMin) }
        return rules
    }

    private func simulate(_ supposed: PolicySimulation.Rules) throws -> PolicySimulation {
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
        let total = UInt64(clamping: end.since(start).milliseconds / 1_000)
        let bar = ProgressBar("re-running", noun: "seconds")
        defer { bar.finish() }
        return try PolicySimulation.run(opened, since: start, until: end, recordedTTL: recorded, supposed: supposed) {
            bar.update(UInt64(clamping: $0.since(start).milliseconds / 1_000), of: total)
        }
    }

    private func show(_ result: PolicySimulation, _ output: Output) {
        let style = output.style
        let separator = " \(output.symbols.separator) "
        output.write(
            style.dim(
                "ttl \(Self.text(recorded)) as recorded, \(Self.text(ttl?.duration ?? recorded)) supposed"
                    + "\(service.map { " of \($0)" } ?? "")\(separator)"
                    + "\(result.since.utcText) to \(result.until.utcText)\(separator)"
                    + HumanText.counted(result.heartbeats, "heartbeat")
            ) + "\n"
        )
        var table = ComparisonTable("RECORDED", "SUPPOSED")
        for measure in result.measures { table.append(measure.name, measure.recorded, measure.supposed) }
        table.write(to: output)
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

    private static func text(_ ttl: Duration) -> String {
        HumanText.duration(milliseconds: Double(ttl.milliseconds))
    }

    private func json(_ result: PolicySimulation) -> [UInt8] {
        var json = JSONWriter(reservingCapacity: 2_048)
        json.beginObject()
        json.member("recorded_ttl_ms", recorded.milliseconds)
        json.member("supposed_ttl_ms", (ttl?.duration ?? recorded).milliseconds)
        if let service { json.member("supposed_service", service) }
        result.writeMembers(to: &json)
        json.endObject()
        return json.bytes + [UInt8(ascii: "\n")]
    }
}

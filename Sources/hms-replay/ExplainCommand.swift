import ArgumentParser
import RegistryModel
import Replay
import Terminal

struct ExplainCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "explain",
        abstract: "Which instances of a service were routable at a moment, and why each other was not.",
        discussion: """
            EXAMPLES
              hms-replay explain identity-check --at 2026-11-24T14:05:12Z --data ./copy
            """
    )

    @Argument(help: "The service.")
    var service: String

    @Option(help: ArgumentHelp("The moment (default: now).", valueName: "time"))
    var at = MomentArgument(.now)

    @Option(
        help: ArgumentHelp("The daemon's own --ttl, which the log does not hold (default: 30s).", valueName: "duration")
    )
    var ttl: DurationArgument?

    @Option(help: ArgumentHelp("The daemon's own --deregister-after (default: 10m).", valueName: "duration"))
    var deregisterAfter: DurationArgument?

    @OptionGroup var source: SourceOptions
    @OptionGroup var options: OutputOptions

    func run() async throws {
        let output = options.output
        let explanation = try answering {
            let opened = try source.open()
            return try RoutingExplanation.of(
                try ServiceName(service),
                at: try at.moment.resolve(in: opened),
                in: opened,
                defaults: HealthPolicy(
                    ttl: ttl?.duration ?? HealthPolicy.default.ttl,
                    deregisterAfter: deregisterAfter?.duration ?? HealthPolicy.default.deregisterAfter
                )
            )
        }
        Wording.warn(explanation.warnings, output)
        if options.json { return output.write(Self.json(explanation)) }
        guard !explanation.lines.isEmpty else {
            let nearest = explanation.nearestNames.first
            throw CommandError(
                "\(service) had never been registered by \(explanation.position.time.utcText) (\(explanation.position.sequence))",
                hint: nearest.map { "did you mean \($0)?" },
                exitCode: .notSo
            )
        }
        show(explanation, output)
    }

    private func show(_ explanation: RoutingExplanation, _ output: Output) {
        let position = explanation.position
        let style = output.style
        output.write(
            style.bold(
                "\(explanation.service) at \(position.time.utcText) (\(position.sequence)): "
                    + "\(explanation.routable) of \(explanation.lines.count) routable"
            ) + "\n"
        )
        var table = Table([
            .init("ROUTABLE"), .init("INSTANCE"), .init("HEALTH"), .init("BECAUSE"), .init("SINCE"),
        ])
        for line in explanation.lines {
            let color = line.isOverdueSoon ? .yellow : Wording.color(of: line.health)
            table.append([
                .init(line.isRoutable ? "yes" : "no", color), .init(line.instance.description),
                .init(line.health?.description ?? "-", color), .init(line.because), .init(line.since.utcText, .dim),
            ])
        }
        output.table(table)
        let separator = " \(output.symbols.separator) "
        let policy = [
            "ttl \(HumanText.duration(milliseconds: Double(explanation.policy.ttl.milliseconds)))",
            "deregister after \(HumanText.duration(milliseconds: Double(explanation.policy.deregisterAfter.milliseconds)))",
            explanation.protection.map { "guard ON since \($0.since.utcText): \($0.report.why)" } ?? "guard off",
        ]
        output.write(style.dim("policy    " + policy.joined(separator: separator)) + "\n")
        for later in explanation.afterwards {
            let seconds = HumanText.duration(milliseconds: Double(later.after.milliseconds))
            output.write(
                "\(style.yellow(output.symbols.warning)) \(later.instance) \(seconds) later: "
                    + "\(EventSummary(later.event).text) (\(later.event.sequence))\n"
            )
        }
        output.write(
            style.dim("  this is what the registry said; which one a sidecar picked is in its access log") + "\n"
        )
    }

    private static func json(_ explanation: RoutingExplanation) -> [UInt8] {
        var json = JSONWriter(reservingCapacity: 2_048)
        json.beginObject()
        json.member("service", explanation.service.description)
        json.member("sequence", explanation.position.sequence.rawValue)
        json.member("time", explanation.position.time)
        json.member("routable", explanation.routable)
        json.member("ttl_ms", explanation.policy.ttl.milliseconds)
        json.member("deregister_after_ms", explanation.policy.deregisterAfter.milliseconds)
        json.member("protected", explanation.protection != nil)
        json.key("instances")
        json.beginArray()
        for line in explanation.lines {
            json.beginObject()
            json.member("instance", line.instance.description)
            json.member("routable", line.isRoutable)
            if let health = line.health { json.member("health", health.description) }
            json.member("because", line.because)
            json.member("since", line.since)
            json.endObject()
        }
        json.endArray()
        json.key("afterwards")
        json.beginArray()
        for later in explanation.afterwards {
            json.beginObject()
            json.member("after_ms", later.after.milliseconds)
            json.key("event")
            later.event.write(to: &json)
            json.endObject()
        }
        json.endArray()
        json.endObject()
        return json.bytes + [UInt8(ascii: "\n")]
    }
}

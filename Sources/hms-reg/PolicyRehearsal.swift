import Glibc
import RegistryClient
import RegistryModel
import Replay
import Terminal

/// How the last day would have gone under a service's new rules of silence, before they are set.
struct PolicyRehearsal {
    private static let span = Duration.seconds(86_400)

    private let service: ServiceName
    private let policy: MeshPolicy
    private let isAgreed: Bool

    /// - Parameter isAgreed: nobody is asked.
    init(_ service: ServiceName, _ policy: MeshPolicy, isAgreed: Bool) {
        self.service = service
        self.policy = policy
        self.isAgreed = isAgreed
    }

    /// - Throws: exit code 1 where somebody was asked and did not agree; 3 where the registry's files are not here.
    func run(_ registry: RegistryOptions, _ options: OutputOptions) async throws {
        let status = try await registry.withConnection { try await $0.status() }
        guard access(status.dataDirectory + "/beats", R_OK | X_OK) == 0 else {
            throw CommandError(
                "the heartbeats in \(status.dataDirectory) can't be read from here",
                hint: "rehearse where the registry runs",
                exitCode: .unreachable
            )
        }
        let result = try answering { try simulate(try AuditSource(dataDirectory: status.dataDirectory), status) }
        let output = options.output
        show(result, output)
        guard !isAgreed, Output.isInputTerminal else { return }
        guard output.confirms("\(service) gets these rules.") else {
            throw CommandError("nothing was changed", exitCode: .notSo)
        }
    }

    private func simulate(_ source: AuditSource, _ status: RegistryStatusReport) throws -> PolicySimulation {
        let until = try Moment.now.resolve(in: source).time
        let since = max(until.advanced(by: .zero - Self.span), try source.firstTime ?? until)
        let total = UInt64(clamping: until.since(since).milliseconds / 1_000)
        let ttl = Duration.milliseconds(Int64(clamping: status.ttlMilliseconds))
        let deregisterAfter = Duration.milliseconds(Int64(clamping: status.deregisterAfterMilliseconds))
        let bar = ProgressBar("rehearsing", noun: "seconds")
        defer { bar.finish() }
        return try PolicySimulation.run(
            source,
            since: since,
            until: until,
            recordedTTL: ttl,
            supposed: PolicySimulation.Rules(
                policy: HealthPolicy(ttl: ttl, deregisterAfter: deregisterAfter),
                overrides: [service: policy]
            )
        ) {
            bar.update(UInt64(clamping: $0.since(since).milliseconds / 1_000), of: total)
        }
    }

    /// On stderr: what is asked for on stdout is the policy.
    private func show(_ result: PolicySimulation, _ output: Output) {
        let separator = " \(output.symbols.separator) "
        output.note(
            output.errorStyle.dim(
                "\(result.since.utcText) to \(result.until.utcText)\(separator)"
                    + HumanText.counted(result.heartbeats, "heartbeat")
            )
        )
        var table = ComparisonTable("RECORDED", "REHEARSED")
        for measure in result.measures { table.append(measure.name, measure.recorded, measure.supposed) }
        output.note(table.rendered(output))
        output.note(output.errorStyle.bold(result.advice))
    }
}

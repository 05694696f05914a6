import ArgumentParser
import EventLog
import RegistryModel
import Replay
import Terminal

struct StateCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "state",
        abstract: "What the registry held at a moment.",
        discussion: """
            EXAMPLES
              hms-replay state --at 2026-11-24T14:05:12Z --data ./copy
              hms-replay state --at 48148 --service identity-check --data ./copy --json
              hms-replay state --at 14:05 --data ./copy --evidence state.json
            """
    )

    @Option(help: ArgumentHelp("The moment (default: now).", valueName: "time"))
    var at = MomentArgument(.now)

    @Option(help: ArgumentHelp("Only this service.", valueName: "service"))
    var service: String?

    @Option(
        help: ArgumentHelp(
            "Also write a file by which a stranger can check that state; must not be there yet.",
            valueName: "file"
        )
    )
    var evidence: String?

    @OptionGroup var source: SourceOptions
    @OptionGroup var options: OutputOptions

    func run() async throws {
        let output = options.output
        let name = try answering { try service.map { try ServiceName($0) } }
        let state = try answering { try reconstruct(at.moment, try source.open()) }
        Wording.warn(state.warnings, output)
        if let evidence {
            let document = try answering { try StateEvidence.document(of: state.position, in: try source.open()) }
            try answering { try SmallFile.create(String(decoding: document, as: UTF8.self), at: evidence) }
            output.note("\(output.errorStyle.green(output.symbols.done)) \(evidence)")
        }
        if options.json {
            var json = JSONWriter(reservingCapacity: 65_536)
            state.write(to: &json, service: name)
            output.write(json.bytes + [UInt8(ascii: "\n")])
        } else {
            try show(state, name, output)
        }
    }

    private func show(_ state: StateReconstruction, _ name: ServiceName?, _ output: Output) throws {
        var table = Table([
            .init("SERVICE"), .init("INSTANCE"), .init("ADDRESS"), .init("HEALTH"), .init("VERSION"), .init("SINCE"),
            .init("WHY"),
        ])
        var instances: UInt64 = 0
        for service in state.store.serviceNames where name == nil || service == name {
            for row in state.store.rows(of: service) {
                instances += 1
                let isPlain = row.state.health == .healthy
                table.append([
                    .init(service.description), .init(row.instance.key.id.description),
                    .init(row.instance.endpoint.description),
                    .init(row.state.health.description, Wording.color(of: row.state.health)),
                    .init(row.instance.version.isEmpty ? "-" : row.instance.version),
                    .init(row.state.since.utcText, .dim), .init(isPlain ? "-" : row.state.cause.description),
                ])
            }
        }
        if instances > 0 { output.table(table) }
        let separator = " \(output.symbols.separator) "
        Wording.note(state.remarks, output)
        output.note(
            output.errorStyle.dim(
                [
                    HumanText.counted(instances, "instance"), "\(state.position.sequence)", state.position.time.utcText,
                    "digest \(state.store.stateDigest())",
                ].joined(separator: separator)
            )
        )
        if let name, state.store.service(name) == nil {
            throw CommandError("\(name) was not registered then", exitCode: .notSo)
        }
    }
}

/// The state of a moment, with a bar while it is folded.
func reconstruct(_ moment: Moment, _ source: AuditSource) throws -> StateReconstruction {
    let bar = ProgressBar("replaying", noun: "events")
    defer { bar.finish() }
    return try StateReconstruction.at(try moment.resolve(in: source), in: source) { done, total in
        bar.update(done, of: total)
    }
}

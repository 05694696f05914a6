import ArgumentParser
import Registry
import RegistryClient
import RegistryModel
import Terminal

struct LookupCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "lookup",
        abstract: "The instances of a service that callers are sent to, or all of them and why.",
        discussion: """
            EXAMPLES
              hms-reg lookup identity-check
              hms-reg lookup identity-check --all
              hms-reg lookup identity-check --version 2.3.1 --zone a
              hms-reg lookup identity-check --all --at 14:05
              hms-reg lookup identity-check --json | jq -r '.[][] | "\\(.ip):\\(.port)"'

            Ends with 1 when no instance is routable.
            """
    )

    /// Last beats are asked for one by one: for more than a screen of instances nobody reads them.
    private static let beatsShown = 200

    @Argument(help: "The service.")
    var service: String

    @Flag(help: "Instances of every health.")
    var all = false

    @Option(help: ArgumentHelp("Only of this version.", valueName: "version"))
    var version: String?

    @Option(help: ArgumentHelp("Only with this tag.", valueName: "tag"))
    var tag: String?

    @Option(help: ArgumentHelp("Only in this zone.", valueName: "zone"))
    var zone: String?

    @Option(
        help: ArgumentHelp(
            "As it was at this moment: RFC 3339, 14:05, 15m (ago) or a sequence. The registry replays its log for it.",
            valueName: "time"
        )
    )
    var at: String?

    @OptionGroup var registry: RegistryOptions
    @OptionGroup var options: OutputOptions

    func run() async throws {
        let name = try checked { try ServiceName(service) }
        let output = options.output
        if options.json { return try await printDocument(name, output) }
        if at != nil { return try await showPast(name, output) }
        let result = try await registry.withSource(
            online: { try await lookup(name, $0) },
            offline: { offline in
                offline.noteAge(to: output)
                return try offline.lookup(name)
            }
        )
        try show(result, output)
    }

    // MARK: JSON

    private func printDocument(_ name: ServiceName, _ output: Output) async throws {
        let filter = LookupFilter(all: all, version: version, tag: tag, zone: zone, at: at)
        if at != nil {
            let document = try await registry.withConnection { try await $0.lookupDocument(name, filter).body }
            return output.write(document + [UInt8(ascii: "\n")])
        }
        let document = try await registry.withSource(
            online: { try await $0.lookupDocument(name, filter).body },
            offline: { offline in
                offline.noteAge(to: output)
                _ = try offline.lookup(name)
                return try offline.document(name, filter)
            }
        )
        output.write(document + [UInt8(ascii: "\n")])
        if document.elementsEqual("{\"\(name)\":[]}".utf8) { throw ExitCode.notSo }
    }

    // MARK: Table

    private func lookup(_ name: ServiceName, _ connection: RegistryConnection) async throws -> LookupResult {
        var result = try await connection.lookup(name, LookupFilter(all: true))
        guard result.instances.count <= Self.beatsShown else { return result }
        for index in result.instances.indices where result.instances[index].instance.lease != .permanent {
            result.instances[index].lastBeat = try await lastBeat(of: result.instances[index].instance.key, connection)
        }
        return result
    }

    /// The past has no heartbeats in this answer, and nobody to be told why an instance is not routable: `explain` does.
    private func showPast(_ name: ServiceName, _ output: Output) async throws {
        let filter = LookupFilter(all: true, version: version, tag: tag, zone: zone, at: at)
        let result = try await registry.withConnection { try await $0.lookup(name, filter) }
        try show(result, output)
        output.note("\(output.symbols.next) why: hms-replay explain \(name) --at \(result.sequence) --data DIR")
    }

    /// nil where it has gone since the look-up.
    private func lastBeat(of key: InstanceKey, _ connection: RegistryConnection) async throws -> Duration? {
        do {
            return try await connection.instance(key).lastBeat
        } catch {
            guard error.code == .unknownInstance else { throw error }
            return nil
        }
    }

    private func show(_ result: LookupResult, _ output: Output) throws {
        let chosen = result.instances.filter(isWanted)
        let routable = chosen.filter(\.health.isRoutable)
        let shown = all ? chosen : routable
        guard !shown.isEmpty else { throw notRoutable(result, chosen) }
        let now = WallClock.now()
        var table = Table([
            .init("INSTANCE"), .init("ADDRESS"), .init("HEALTH"), .init("VERSION"), .init("ZONE"), .init("SINCE"),
            .init("BEAT"), .init("WHY"),
        ])
        for instance in shown { table.append(Self.row(instance, now: now)) }
        output.table(table)
        let style = output.errorStyle
        if result.isProtected {
            output.note(
                style.yellow("\(output.symbols.warning) the mass expiry guard holds expiries back: hms-reg status")
            )
        }
        let facts = [
            "\(routable.count) of \(HumanText.count(UInt64(chosen.count))) routable", "\(result.sequence)",
            LocalTime.full(unixSeconds: now.unixSeconds),
        ]
        output.note(style.dim(facts.joined(separator: " \(output.symbols.separator) ")))
        if routable.isEmpty { throw ExitCode.notSo }
    }

    private func isWanted(_ instance: RegisteredInstance) -> Bool {
        (version == nil || instance.instance.version == version) && (zone == nil || instance.instance.zone == zone)
            && (tag.map { instance.instance.tags.contains($0) } ?? true)
    }

    private static func row(_ found: RegisteredInstance, now: Timestamp) -> [Table.Cell] {
        let instance = found.instance
        let detail = found.detail.isEmpty ? "" : ": \(found.detail)"
        let isPlain = found.health == .healthy && found.detail.isEmpty
        return [
            .init(instance.key.id.description, instance.externalURL == nil ? .plain : .blue),
            .init(instance.endpoint.description),
            .init(found.health.description, Wording.color(of: found.health)),
            .init(instance.version.isEmpty ? "-" : instance.version),
            .init(instance.zone.isEmpty ? "-" : instance.zone),
            .init(Wording.ago(found.since, now: now), .dim),
            .init(found.lastBeat.map { HumanText.duration(milliseconds: Double($0.milliseconds)) } ?? "-", .dim),
            .init(isPlain ? "-" : found.cause + detail),
        ]
    }

    private func notRoutable(_ result: LookupResult, _ chosen: [RegisteredInstance]) -> CommandError {
        let name = result.service
        guard !chosen.isEmpty else {
            let isFiltered = version != nil || tag != nil || zone != nil
            return CommandError(
                isFiltered && !result.instances.isEmpty
                    ? "\(name) has no instance with that version, tag or zone"
                    : "\(name) is known, but has no instance",
                hint: isFiltered ? "hms-reg lookup \(name) --all" : nil,
                exitCode: .notSo
            )
        }
        var counts = HealthCounts()
        for instance in chosen { counts[instance.health] += 1 }
        let subject = chosen.count == 1 ? "its 1 instance is" : "none of its \(chosen.count) instances is"
        let health = chosen.count == 1 ? chosen[0].health.description : Wording.counts(counts)
        return CommandError(
            "\(name) is registered, but \(subject)\(chosen.count == 1 ? " not" : "") routable (\(health))",
            hint: "why: hms-reg lookup \(name) --all",
            exitCode: .notSo
        )
    }
}

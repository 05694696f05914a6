import ArgumentParser
import MaterializedView
import Registry
import RegistryClient
import RegistryModel
import Terminal

struct ListCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list",
        abstract: "All services with their instances by health, version and last change.",
        discussion: """
            EXAMPLES
              hms-reg list
              hms-reg list --watch
              hms-reg list --json | jq -r '.services[] | select(.health.unhealthy > 0).name'
              hms-reg --data ./data list        (works with the daemon down)
            """
    )

    @Flag(help: "Services without instances too: known by name for a day, or by their policy.")
    var all = false

    @Flag(help: "Draw again whenever something changes; Ctrl-C ends it.")
    var watch = false

    @OptionGroup var registry: RegistryOptions
    @OptionGroup var options: OutputOptions

    func run() async throws {
        let output = options.output
        guard watch else {
            let list = try await registry.withSource(
                online: { try await $0.services() },
                offline: { try Self.services(of: $0, output) }
            )
            print(list, to: output)
            return
        }
        try await registry.withConnection { connection in
            try await ChangeTicker(address: connection.address, registry: registry).run {
                let list = try await connection.services()
                if Output.isOutputTerminal, !options.json { output.write("\u{1B}[H\u{1B}[J") }
                print(list, to: output)
            }
        }
    }

    private static func services(of offline: OfflineRegistry, _ output: Output) throws -> ServiceList {
        offline.noteAge(to: output)
        return try offline.view.read { snapshot in
            var services: [ServiceSummary] = []
            try snapshot.forEachService(after: nil, limit: .max) { services.append(ServiceSummary($0)) }
            return ServiceList(services: services, sequence: snapshot.sequence, time: WallClock.now())
        }
    }

    private func print(_ list: ServiceList, to output: Output) {
        let shown = list.services.filter { all || $0.health.total > 0 }
        guard !options.json else { return output.write(Self.json(shown, list)) }
        var table = Table([
            .init("SERVICE"), .init("INSTANCES", .right), .init("HEALTHY", .right), .init("OTHER"), .init("VERSION"),
            .init("CHANGED"),
        ])
        for service in shown { table.append(Self.row(service, now: list.time)) }
        output.table(table)
        var totals = HealthCounts()
        for service in shown { totals += service.health }
        let facts = [
            HumanText.counted(UInt64(shown.count), "service"),
            "\(HumanText.counted(totals.total, "instance")): \(Wording.counts(totals))",
            "\(list.sequence)",
        ]
        output.note(output.errorStyle.dim(facts.joined(separator: " \(output.symbols.separator) ")))
    }

    private static func row(_ service: ServiceSummary, now: Timestamp) -> [Table.Cell] {
        let versions = service.versions.isEmpty ? "-" : service.versions.joined(separator: ", ")
        return [
            .init(service.name.description, service.isExternal ? .blue : .plain),
            .init(HumanText.count(service.health.total)),
            .init(HumanText.count(UInt64(service.health[.healthy]))),
            other(service),
            .init(versions),
            .init(Wording.ago(service.changedAt, now: now), .dim),
        ]
    }

    /// Whatever is not healthy, the worst colour of it.
    private static func other(_ service: ServiceSummary) -> Table.Cell {
        let ill = [Health.unhealthy, .degraded, .starting, .draining].filter { service.health[$0] > 0 }
        var parts = ill.map { "\(HumanText.count(UInt64(service.health[$0]))) \($0)" }
        if service.isExternal { parts.insert("external", at: 0) }
        guard !parts.isEmpty else { return "-" }
        let color = ill.first.map(Wording.color(of:)) ?? .blue
        return .init(parts.joined(separator: ", "), color)
    }

    private static func json(_ services: [ServiceSummary], _ list: ServiceList) -> [UInt8] {
        var json = JSONWriter()
        json.beginObject()
        json.key("services")
        json.beginArray()
        for service in services {
            json.beginObject()
            json.member("name", service.name.description)
            json.member("instances", service.health.total)
            json.key("health")
            json.beginObject()
            for health in Health.allCases { json.member(health.description, service.health[health]) }
            json.endObject()
            json.member("versions", service.versions)
            json.member("external", service.isExternal)
            json.member("modified", service.modified.rawValue)
            json.member("changed_at", service.changedAt)
            json.endObject()
        }
        json.endArray()
        json.member("sequence", list.sequence.rawValue)
        json.member("time", list.time)
        json.endObject()
        return json.bytes + [UInt8(ascii: "\n")]
    }
}

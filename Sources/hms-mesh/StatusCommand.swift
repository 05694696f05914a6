import ArgumentParser
import RegistryModel
import Terminal

struct StatusCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "status",
        abstract: "Show this user's sidecars on this machine, and the services that they call."
    )

    @OptionGroup var printing: OutputOptions

    func run() async throws {
        let output = printing.output
        var statuses: [SidecarStatus] = []
        for socket in SidecarSockets.all() {
            if let status = try? await SidecarStatus.of(socket) { statuses.append(status) }
        }
        guard !statuses.isEmpty else {
            throw CommandError(
                "No sidecar of yours runs on this machine",
                hint: "in a service's folder: hms-mesh dev",
                exitCode: .notSo
            )
        }
        if printing.json {
            output.write(
                "[" + statuses.map { String(decoding: $0.document, as: UTF8.self) }.joined(separator: ",") + "]\n"
            )
            return
        }
        for status in statuses { show(status, output) }
    }

    private func show(_ status: SidecarStatus, _ output: Output) {
        let style = output.style
        let dot = output.symbols.separator
        let up = HumanText.duration(milliseconds: Double(status.time.since(status.startedAt).milliseconds))
        let health = status.health == "healthy" ? style.green(status.health) : style.yellow(status.health)
        let registry =
            status.isRegistryConnected
            ? "registry connected, view \(status.sequence)" : style.red("registry UNREACHABLE, view \(status.sequence)")
        output.write("\(style.bold("\(status.service)/\(status.id)"))  \(health) \(dot) up \(up) \(dot) \(registry)\n")
        output.write(style.dim("inbound \(status.inbound)     outbound \(status.outbound)     mtls=on") + "\n")
        guard !status.upstreams.isEmpty else { return }
        var table = Table([
            Table.Column("UPSTREAM"), Table.Column("USABLE", .right), Table.Column("REQUESTS", .right),
            Table.Column("5XX", .right), Table.Column("RETRIES", .right), Table.Column("BREAKER"),
        ])
        for upstream in status.upstreams {
            let breaker =
                upstream.breakerOpenMilliseconds.map { "open \(HumanText.duration(milliseconds: Double($0)))" }
                ?? (upstream.ejected > 0 ? "\(upstream.ejected) ejected" : "closed")
            table.append([
                Table.Cell(upstream.service),
                Table.Cell("\(upstream.usable)/\(upstream.total)", upstream.usable < upstream.total ? .yellow : .plain),
                Table.Cell(HumanText.count(upstream.requests)), Table.Cell(HumanText.count(upstream.serverErrors)),
                Table.Cell(HumanText.count(upstream.retries)), Table.Cell(breaker, breaker == "closed" ? .plain : .red),
            ])
        }
        output.table(table)
    }
}

import ArgumentParser
import RegistryClient
import RegistryModel
import Terminal

struct StatusCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "status",
        abstract: "The registry's own condition: writes, reads, disk, guard, shards.",
        discussion: """
            Rates are of the last minute. Ends with 1 while the mass expiry guard holds, the disk is full or the \
            registry is not ready.
            """
    )

    @OptionGroup var registry: RegistryOptions
    @OptionGroup var options: OutputOptions

    func run() async throws {
        let output = options.output
        let (report, document, address) = try await registry.withConnection { connection in
            let answer = try await connection.statusDocument()
            return (try answer.statusReport(), answer.body, connection.address.description)
        }
        if options.json {
            output.write(document + [UInt8(ascii: "\n")])
        } else {
            output.write(Self.facts(report, address, output))
            output.table(Self.shards(report))
        }
        if report.guardReport.isActive || report.isDiskFull || report.state != "ready" { throw ExitCode.notSo }
    }

    private static func facts(_ report: RegistryStatusReport, _ address: String, _ output: Output) -> String {
        let style = output.style
        let dot = " \(output.symbols.separator) "
        var lines = ""
        if report.guardReport.isActive { lines += GuardCommand.lines(of: report.guardReport, style, output.symbols) }
        if report.isDiskFull {
            lines +=
                style.red("\(output.symbols.wrong) the disk is full: registrations wait until there is room") + "\n"
        }
        let state = style.paint(report.state, report.state == "ready" ? .green : .yellow)
        let up = HumanText.duration(milliseconds: Double(report.uptimeMilliseconds))
        lines += ["HMS-REG \(report.version) at \(address)", state, "up \(up)"].joined(separator: dot) + "\n"
        func line(_ label: String, _ facts: [String]) {
            lines +=
                label + String(repeating: " ", count: max(1, 12 - label.count)) + facts.joined(separator: dot) + "\n"
        }
        line(
            "registry",
            [
                String(report.registry.prefix(8)),
                "\(report.dataDirectory), log \(HumanText.bytes(report.logBytes)), "
                    + "beats \(HumanText.bytes(report.beatsBytes))",
                disk(report, style),
            ]
        )
        line(
            "instances",
            [
                "\(HumanText.count(report.health.total)) in \(HumanText.counted(report.services, "service")): "
                    + Wording.counts(report.health)
            ]
        )
        line(
            "writes",
            [
                "\(HumanText.rounded(report.heartbeatsPerSecond)) heartbeats/s",
                "\(HumanText.rounded(report.eventsPerSecond)) other events/s",
                "fsync p99 \(HumanText.duration(milliseconds: report.fsyncP99Milliseconds))",
                "queue \(HumanText.count(report.queue))",
            ]
        )
        line(
            "reads",
            [
                "\(HumanText.rounded(report.lookupsPerSecond)) look-ups/s, "
                    + "p99 \(HumanText.duration(milliseconds: report.lookupP99Milliseconds))",
                "\(HumanText.counted(report.subscribers, "subscriber")), slowest "
                    + "\(HumanText.duration(milliseconds: Double(report.slowestSubscriberMilliseconds))) behind",
            ]
        )
        line(
            "guard",
            [
                report.guardReport.isActive ? style.yellow("on") : "off",
                "ttl \(HumanText.duration(milliseconds: Double(report.ttlMilliseconds)))",
                "deregister after \(HumanText.duration(milliseconds: Double(report.deregisterAfterMilliseconds)))",
            ]
        )
        if let keys = report.keys, let now = report.time { line("keys", Self.keys(keys, now, output)) }
        line("sequence", ["\(report.sequence)"])
        return lines + "\n"
    }

    private static func keys(
        _ keys: RegistryStatusReport.KeysReport,
        _ now: Timestamp,
        _ output: Output
    ) -> [String] {
        func warned(_ text: String) -> String { output.style.yellow("\(output.symbols.warning) \(text)") }
        let left = keys.rootNotAfter.since(now)
        let root = "root expires in \(HumanText.duration(milliseconds: Double(max(.zero, left).milliseconds)))"
        let backup: String
        if let last = keys.lastBackup {
            let ago = HumanText.duration(milliseconds: Double(max(.zero, now.since(last.madeAt)).milliseconds))
            backup =
                last.isOfPresentRoot
                ? "last backup of keys \(ago) ago"
                : warned("last backup of keys \(ago) ago, of a former root: hms-reg keys backup FILE")
        } else {
            backup = warned("keys were never backed up: hms-reg keys backup FILE")
        }
        return [left < .seconds(90 * 86_400) ? warned(root) : root, backup]
    }

    /// Yellow from 90 % on, red from 97 %.
    private static func disk(_ report: RegistryStatusReport, _ style: Style) -> String {
        let percent = Int((report.diskUsedFraction * 100).rounded())
        let text = "disk \(percent)%, \(HumanText.bytes(report.diskFreeBytes)) free"
        return percent >= 97 ? style.red(text) : percent >= 90 ? style.yellow(text) : text
    }

    private static func shards(_ report: RegistryStatusReport) -> Table {
        var table = Table([
            .init("SHARD"), .init("SLOTS", .right), .init("INSTANCES", .right), .init("VIEW", .right),
            .init("BEHIND", .right),
        ])
        for shard in report.shards {
            table.append([
                .init(String(shard.shard)), .init(HumanText.count(shard.slots)),
                .init(HumanText.count(shard.instances)), .init(HumanText.bytes(shard.viewBytes)),
                .init(HumanText.duration(milliseconds: Double(shard.behindMilliseconds))),
            ])
        }
        return table
    }
}

import RegistryClient
import RegistryModel
import Terminal

/// What `status` prints of a registry's report.
struct StatusScreen {
    let report: RegistryStatusReport
    /// How it was reached: named where the registry has no door to the network.
    let address: String
    let output: Output

    private var style: Style { output.style }

    /// Disks that fill sooner are yellow, and red.
    private static let soon = Duration.seconds(30 * 86_400)
    private static let verySoon = Duration.seconds(7 * 86_400)

    var facts: String {
        let dot = " \(output.symbols.separator) "
        var lines = ""
        if report.guardReport.isActive { lines += GuardCommand.lines(of: report.guardReport, style, output.symbols) }
        if report.isDiskFull {
            lines +=
                style.red("\(output.symbols.wrong) the disk is full: registrations wait until there is room") + "\n"
        }
        lines += title.joined(separator: dot) + "\n"
        for (label, facts) in labelled where !facts.isEmpty {
            lines +=
                label + String(repeating: " ", count: max(1, 12 - label.count)) + facts.joined(separator: dot) + "\n"
        }
        return lines + "\n"
    }

    private var title: [String] {
        let place = report.address.isEmpty ? address : report.address
        var title = [
            "HMS-REG \(report.version) at \(place)",
            style.paint(report.state, report.state == "ready" ? .green : .yellow),
            "up \(Self.text(report.uptimeMilliseconds))",
        ]
        if !report.trustDomain.isEmpty { title.append("trust domain \(report.trustDomain)") }
        return title
    }

    private var labelled: [(label: String, facts: [String])] {
        [
            ("registry", registry), ("instances", instances), ("writes", writes), ("reads", reads),
            ("guard", expiryGuard), ("checkpoint", checkpoint), ("snapshots", snapshots), ("keys", keys),
            ("sequence", ["\(report.sequence)"]),
        ]
    }

    // MARK: Lines

    private var registry: [String] {
        [
            String(report.registry.prefix(8)),
            "\(report.dataDirectory), log \(HumanText.bytes(report.logBytes)), "
                + "beats \(HumanText.bytes(report.beatsBytes))",
            disk,
        ]
    }

    /// Yellow from 90 % on, red from 97 %; and by how soon it is full.
    private var disk: String {
        let percent = Int((report.diskUsedFraction * 100).rounded())
        var text = "disk \(percent)%, \(HumanText.bytes(report.diskFreeBytes)) free"
        var left = Duration.seconds(Int64.max)
        if let milliseconds = report.diskFullInMilliseconds {
            left = .milliseconds(Int64(clamping: milliseconds))
            text += ", full in ~\(Self.text(milliseconds))"
        }
        if percent >= 97 || left < Self.verySoon { return style.red(text) }
        return percent >= 90 || left < Self.soon ? style.yellow(text) : text
    }

    private var instances: [String] {
        [
            "\(HumanText.count(report.health.total)) in \(HumanText.counted(report.services, "service")): "
                + Wording.counts(report.health)
        ]
    }

    private var writes: [String] {
        [
            "\(HumanText.rounded(report.heartbeatsPerSecond)) heartbeats/s",
            "\(HumanText.rounded(report.eventsPerSecond)) other events/s",
            "fsync p99 \(HumanText.duration(milliseconds: report.fsyncP99Milliseconds))",
            "queue \(HumanText.count(report.queue))",
        ]
    }

    private var reads: [String] {
        [
            "\(HumanText.rounded(report.lookupsPerSecond)) look-ups/s, "
                + "p99 \(HumanText.duration(milliseconds: report.lookupP99Milliseconds))",
            "\(HumanText.counted(report.subscribers, "subscriber")), slowest "
                + "\(Self.text(report.slowestSubscriberMilliseconds)) behind",
        ]
    }

    private var expiryGuard: [String] {
        [
            report.guardReport.isActive ? style.yellow("on") : "off",
            "ttl \(Self.text(report.ttlMilliseconds))",
            "deregister after \(Self.text(report.deregisterAfterMilliseconds))",
        ]
    }

    private var checkpoint: [String] {
        guard let checkpoint = report.checkpoint else { return [] }
        if let failure = checkpoint.failure { return [wrong("the log can't be signed: \(failure)")] }
        guard checkpoint.sequence > .none else { return ["none signed yet"] }
        let age = checkpoint.signedAt.flatMap(age)
        let news =
            checkpoint.isCurrent
            ? "nothing new since" : "what is new follows within \(Self.text(checkpoint.everyMilliseconds))"
        return ["signed through \(checkpoint.sequence)" + (age.map { ", \($0) ago" } ?? ""), news]
    }

    private var snapshots: [String] {
        guard let snapshots = report.snapshots else { return [] }
        var facts: [String] = []
        if let takenAt = snapshots.takenAt, let ago = age(takenAt) {
            let text = "last \(ago) ago, verified"
            facts.append(isLate(takenAt) ? wrong(text) : "\(text) \(style.green(output.symbols.done))")
        } else {
            facts.append(snapshots.everyMilliseconds == nil ? warned("none was taken: hms-reg snapshot") : "none yet")
        }
        facts.append("\(HumanText.count(snapshots.kept)) kept")
        if let next = snapshots.nextAt, let now = report.time {
            facts.append("next in \(Self.text(next.since(now)))")
        } else {
            facts.append("only when asked for (hms-regd --snapshot-every)")
        }
        if let failure = snapshots.failure { facts.append(wrong("the last could not be taken: \(failure)")) }
        return facts
    }

    /// Two that were due have not come.
    private func isLate(_ takenAt: Timestamp) -> Bool {
        guard let every = report.snapshots?.everyMilliseconds, let now = report.time else { return false }
        return now.since(takenAt) > .milliseconds(Int64(clamping: every)) * 2
    }

    private var keys: [String] {
        guard let keys = report.keys, let now = report.time else { return [] }
        let left = keys.rootNotAfter.since(now)
        let root = "root expires in \(Self.text(left))"
        let backup: String
        if let last = keys.lastBackup {
            let ago = Self.text(now.since(last.madeAt))
            backup =
                last.isOfPresentRoot
                ? "last backup of keys \(ago) ago"
                : warned("last backup of keys \(ago) ago, of a former root: hms-reg keys backup FILE")
        } else {
            backup = warned("keys were never backed up: hms-reg keys backup FILE")
        }
        return [left < .seconds(90 * 86_400) ? warned(root) : root, backup]
    }

    // MARK: Words

    private func warned(_ text: String) -> String { style.yellow("\(output.symbols.warning) \(text)") }

    private func wrong(_ text: String) -> String { style.red("\(output.symbols.wrong) \(text)") }

    /// nil where the registry does not say what time it is.
    private func age(_ time: Timestamp) -> String? {
        report.time.map { Self.text($0.since(time)) }
    }

    private static func text(_ duration: Duration) -> String {
        HumanText.duration(milliseconds: Double(max(.zero, duration).milliseconds))
    }

    private static func text(_ milliseconds: UInt64) -> String {
        HumanText.duration(milliseconds: Double(milliseconds))
    }

    // MARK: Shards

    var shards: Table {
        var table = Table([
            .init("SHARD"), .init("SLOTS", .right), .init("INSTANCES", .right), .init("VIEW", .right),
            .init("BEHIND", .right),
        ])
        for shard in report.shards {
            table.append([
                .init(String(shard.shard)), .init(HumanText.count(shard.slots)),
                .init(HumanText.count(shard.instances)), .init(HumanText.bytes(shard.viewBytes)),
                .init(Self.text(shard.behindMilliseconds)),
            ])
        }
        return table
    }
}

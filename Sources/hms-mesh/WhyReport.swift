import RegistryClient
import RegistryModel
import Terminal

/// One request of a trace, with what the registry said of the service at the very moment that its sidecar routed by.
struct WhyReport: Sendable {
    let line: AccessLine
    /// As it stands in the access log.
    let document: [UInt8]
    /// nil where the registry could not be asked, or nothing was routed.
    let instances: [RegisteredInstance]?

    /// What became of one instance, for whatever reason.
    struct Row: Equatable {
        var instance: String
        /// As the registry had it then.
        var health: String
        /// `1`, `1, 3`; empty: none.
        var tries: String
        var why: String
    }

    /// Those that were tried first, then those that could have been, then the others.
    var rows: [Row] {
        var rows = tried
        let leftOut = Dictionary(line.leftOut.map { ($0.instance, $0.why) }, uniquingKeysWith: { first, _ in first })
        let seen = Set(rows.map(\.instance))
        var others: [Row] = []
        for instance in instances ?? [] where !seen.contains(instance.instance.key.id.description) {
            let id = instance.instance.key.id.description
            let health = instance.health.description
            if let why = leftOut[id] {
                others.append(Row(instance: id, health: health, tries: "", why: "left out by this sidecar: \(why)"))
            } else if let why = Self.whyNotRoutable(instance) {
                others.append(Row(instance: id, health: health, tries: "", why: why))
            } else {
                rows.append(Row(instance: id, health: health, tries: "", why: "could have been picked"))
            }
        }
        let known = Set((rows + others).map(\.instance))
        for left in line.leftOut where !known.contains(left.instance) {
            others.append(
                Row(instance: left.instance, health: "-", tries: "", why: "left out by this sidecar: \(left.why)")
            )
        }
        return rows + others
    }

    private var tried: [Row] {
        var rows: [Row] = []
        for (index, attempt) in line.tries.enumerated() {
            let took = TailColumns.took(attempt.microseconds)
            var outcome = "\(attempt.failed ?? attempt.status.map(String.init) ?? "-") after \(took)"
            if let message = attempt.message { outcome += ": \(message)" }
            if attempt.isUndelivered { outcome += " (not sent)" }
            if let row = rows.firstIndex(where: { $0.instance == attempt.instance }) {
                rows[row].tries += ", \(index + 1)"
                rows[row].why += "; \(outcome)"
                continue
            }
            let health = instances?.first { $0.instance.key.id.description == attempt.instance }?.health.description
            rows.append(
                Row(instance: attempt.instance, health: health ?? "-", tries: "\(index + 1)", why: outcome)
            )
        }
        return rows
    }

    private static func whyNotRoutable(_ instance: RegisteredInstance) -> String? {
        if instance.instance.weight == 0 { return "weight 0" }
        guard !instance.health.isRoutable else { return nil }
        let detail = instance.detail.isEmpty ? "" : ": \(instance.detail)"
        return "\(instance.health) in the registry (\(instance.cause)\(detail), \(instance.sequence))"
    }

    func rendered(_ output: Output) -> String {
        let dot = output.symbols.separator
        let style = output.style
        let status = line.error.map { "\(line.status) \($0)" } ?? String(line.status)
        let zone = LocalTime.zone(unixSeconds: line.time.unixSeconds)
        let arrived = line.direction == "inbound" ? "  as it came in" : ""
        var text =
            style.bold("\(line.from) \(output.symbols.next) \(line.to)  \(line.method) \(line.path)") + "\(arrived)\n"
        text += style.dim(
            "\(TailColumns.clock(line.time)) \(zone) \(dot) \(TailColumns.took(line.microseconds)) \(dot) \(status) \(dot) \(line.isMutualTLS ? "mtls=on" : "mtls=off")"
        )
        text += "\n"
        guard line.direction == "outbound" else { return text }
        if let sequence = line.sequence, let usable = line.usable, let total = line.candidates {
            text +=
                "routed by the registry's word of sequence \(sequence); at the last pick \(usable) of \(total) could be taken\n"
        }
        return text
    }

    var table: Table {
        var table = Table([
            Table.Column("INSTANCE"), Table.Column("HEALTH THEN"), Table.Column("TRY"), Table.Column("WHY"),
        ])
        for row in rows {
            table.append([
                Table.Cell(row.instance), Table.Cell(row.health), Table.Cell(row.tries.isEmpty ? "-" : row.tries),
                Table.Cell(row.why, row.tries.isEmpty ? .plain : row.why.hasPrefix("2") ? .green : .yellow),
            ])
        }
        return table
    }

    func write(to json: inout JSONWriter) {
        json.beginObject()
        json.key("request")
        json.write(raw: document)
        json.key("instances")
        json.beginArray()
        for row in rows where line.direction == "outbound" {
            json.beginObject()
            json.member("id", row.instance)
            json.member("health", row.health)
            json.member("tries", row.tries)
            json.member("why", row.why)
            json.endObject()
        }
        json.endArray()
        json.endObject()
    }
}

import Mesh
import RegistryModel
import Terminal

/// A sidecar's condition as people see it.
struct StatusScreen: Sendable {
    private let style: Style
    private let symbols: Symbols

    init(_ style: Style, _ symbols: Symbols) {
        self.style = style
        self.symbols = symbols
    }

    func picture(of status: SidecarStatus) -> String {
        let dot = symbols.separator
        var facts = [Self.painted(status.health, style)]
        let lost = status.isRegistryConnected ? nil : status.registryLostSince ?? status.time
        if let lost {
            facts.append("registry \(style.red("UNREACHABLE")) for \(Self.age(status.time, lost))")
        } else {
            facts.append("up \(Self.age(status.time, status.startedAt))")
            facts.append("registry connected, view \(status.sequence)")
        }
        var text =
            "\(style.bold("\(status.service)/\(status.id)"))  \(facts.joined(separator: " \(dot) "))\n"
        if let lost {
            let warning =
                "\(symbols.warning) routing goes on from the view of \(status.sequence) (\(Self.age(status.time, lost)) old); \(Self.certificate(status))"
            text += style.yellow(warning) + "\n"
        }
        text += style.dim(Self.places(status, symbols)) + "\n"
        guard !status.upstreams.isEmpty else { return text }
        return text + "\n" + upstreams(status.upstreams).rendered(style)
    }

    private static func painted(_ health: String, _ style: Style) -> String {
        switch health {
        case "healthy": style.green(health)
        case "unhealthy": style.red(health)
        case "draining": style.blue(health)
        default: style.yellow(health)
        }
    }

    private static func age(_ now: Timestamp, _ then: Timestamp) -> String {
        HumanText.duration(milliseconds: Double(max(0, now.since(then).milliseconds)))
    }

    private static func certificate(_ status: SidecarStatus) -> String {
        guard let end = status.notAfter else { return "no certificate" }
        let left = end.since(status.time).milliseconds
        return left > 0
            ? "certificate good for \(HumanText.duration(milliseconds: Double(left)))" : "certificate ENDED: calls fail"
    }

    private static func places(_ status: SidecarStatus, _ symbols: Symbols) -> String {
        var inbound = "inbound \(status.inbound)"
        if let port = status.applicationPort { inbound += " \(symbols.next) 127.0.0.1:\(port)" }
        return "\(inbound)     outbound \(status.outbound)     mtls=on"
    }

    // MARK: Upstreams

    private func upstreams(_ upstreams: [SidecarStatus.Upstream]) -> Table {
        var table = Table([
            Table.Column("UPSTREAM"), Table.Column("USABLE", .right), Table.Column("REQ/S", .right),
            Table.Column("SUCCESS", .right), Table.Column("P50", .right), Table.Column("P99", .right),
            Table.Column("RETRIED", .right), Table.Column("BREAKER"),
        ])
        for upstream in upstreams {
            let recent = upstream.recent
            let breaker = Self.breaker(upstream)
            let cells = [
                upstream.service, "\(upstream.usable)/\(upstream.total)",
                HumanText.tenths(Double(recent.requests) / max(recent.seconds, 0.1)),
                recent.requests == 0 ? "-" : LoadSummary.percent(recent.succeeded, of: recent.requests, digits: 2),
                recent.medianMicroseconds.map(TailColumns.took) ?? "-",
                recent.tailMicroseconds.map(TailColumns.took) ?? "-",
                recent.requests == 0 ? "-" : LoadSummary.percent(recent.retried, of: recent.requests, digits: 1),
                breaker ?? "closed",
            ]
            let color = Self.color(upstream, isOpen: breaker != nil)
            table.append(
                cells.enumerated().map { index, text in
                    Table.Cell(text, index == 0 && color == .plain && upstream.isExternal ? .blue : color)
                }
            )
        }
        return table
    }

    private static func color(_ upstream: SidecarStatus.Upstream, isOpen: Bool) -> Style.Color {
        if isOpen || upstream.usable == 0 { return .red }
        return upstream.usable < upstream.total || upstream.recent.succeeded < upstream.recent.requests
            ? .yellow : .plain
    }

    /// `1 open, 22s`: instances that are left out, and for how long yet; `open, 4s`: the whole service, and since when. nil:
    /// closed.
    static func breaker(_ upstream: SidecarStatus.Upstream) -> String? {
        if let since = upstream.breakerOpenMilliseconds {
            return "open since \(HumanText.duration(milliseconds: Double(since)))"
        }
        guard let longest = upstream.instances.compactMap(\.ejectedMilliseconds).max() else { return nil }
        let seconds = (Double(longest) / 1_000).rounded(.up)
        return "\(upstream.ejected) open, \(HumanText.duration(milliseconds: seconds * 1_000))"
    }

    // MARK: Rules

    func policy(_ status: SidecarStatus, _ upstream: SidecarStatus.Upstream) -> String {
        var table = Table([Table.Column("RULE"), Table.Column("VALUE", .right), Table.Column("FROM")])
        for rule in upstream.rules {
            let isTime = rule.name.hasSuffix("_ms")
            let name = (isTime ? String(rule.name.dropLast(3)) : rule.name).replacing("_", with: " ")
            let value = isTime ? HumanText.duration(milliseconds: Double(rule.value)) : String(rule.value)
            table.append([Table.Cell(name), Table.Cell(value), Table.Cell(Self.words(rule.source, upstream.service))])
        }
        return style.bold("\(status.service)/\(status.id) \(symbols.next) \(upstream.service)") + "\n"
            + table.rendered(style)
    }

    private static func words(_ source: String, _ service: String) -> String {
        switch source {
        case "call": "the call's own options"
        case "upstream": "mesh.upstreams.\(service) in the caller's hms.yml"
        case "registry": "the registry's policy for \(service)"
        case "mesh": "mesh: in the caller's hms.yml"
        default: source
        }
    }

    static func json(_ called: [(SidecarStatus, SidecarStatus.Upstream)]) -> String {
        var json = JSONWriter()
        json.beginArray()
        for (status, upstream) in called {
            json.beginObject()
            json.member("sidecar", "\(status.service)/\(status.id)")
            json.member("service", upstream.service)
            json.key("rules")
            json.beginObject()
            for rule in upstream.rules {
                json.key(rule.name)
                json.beginObject()
                json.member("value", rule.value)
                json.member("source", rule.source)
                json.endObject()
            }
            json.endObject()
            json.endObject()
        }
        json.endArray()
        return json.string + "\n"
    }
}

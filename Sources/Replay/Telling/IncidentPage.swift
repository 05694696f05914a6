import EventLog
import OpenSSLCrypto
import RegistryModel

/// An ``IncidentReport`` as one page of HTML: no network, readable offline, light and dark, and on paper.
public struct IncidentPage {
    private static let width = 960.0
    private static let chartHeight = 160.0
    private static let laneHeight = 14.0
    private static let labelWidth = 240.0

    private let report: IncidentReport
    private let title: String
    private let program: String

    /// - Parameter program: its name and version, for the foot of the page.
    public init(_ report: IncidentReport, title: String, program: String) {
        self.report = report
        self.title = title
        self.program = program
    }

    public var html: String {
        """
        <!doctype html>
        <html lang="en">
        <head>
        <meta charset="utf-8">
        <meta name="viewport" content="width=device-width, initial-scale=1">
        <meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
        <title>\(escaped(title))</title>
        <style>\(Self.style)</style>
        </head>
        <body>
        <main>
        <h1>\(escaped(title))</h1>
        <p class="facts">\(report.since.time.utcText) (\(report.since.sequence)) to \(report.until.time.utcText) (\(report.until.sequence)), all times UTC</p>
        \(verdict)
        \(figures)
        <h2>Routable instances</h2>
        \(chart)
        <h2>Health by instance</h2>
        \(legend)
        \(timeline)
        <h2>Who acted</h2>
        \(actors)
        <h2>Events</h2>
        \(events)
        <footer>Made by \(escaped(program)) from the registry's own log. It says what the registry held and told; which instance a sidecar then picked is in the sidecar's access log.</footer>
        </main>
        </body>
        </html>

        """
    }

    // MARK: Page one

    private var verdict: String {
        let result = report.verification
        let (name, mark, text): (String, String, String) =
            switch result.verdict {
            case .intact:
                (
                    "INTACT", "good",
                    result.anchorTime.map {
                        "Nothing before \($0.utcText) was changed, cut or reordered since the checkpoint that was given was kept. Later events rest on the registry's signature alone."
                    }
                        ?? "Every checkpoint is signed by the key that was given: nobody without it changed, cut or reordered what it covers."
                )
            case .consistent:
                (
                    "CONSISTENT, NOT ANCHORED", "fair",
                    "The record is whole in itself. No checkpoint or key that was kept elsewhere was given: whoever holds the registry's key could have made all of it anew."
                )
            case .damaged:
                (
                    "DAMAGED", "bad",
                    "\(result.problems.count) places are not as they were written; \(result.summary.first) to \(result.summary.intactThrough) is sound in itself. First: \(result.problems.first?.what ?? "")"
                )
            }
        let root = result.summary.root.map { Base64.encode($0.bytes) } ?? "-"
        return """
            <section class="verdict \(mark)"><strong>\(name).</strong> \(escaped(text))
            <dl><dt>Merkle root</dt><dd><code>\(root)</code></dd>
            <dt>Signatures</dt><dd>\(result.checkpoints) checkpoints\(result.keys.last.map { " by <code>\(escaped($0.short))</code>" } ?? "")</dd>
            <dt>State</dt><dd>\(result.digests) digests reproduced by replay</dd></dl></section>
            """
    }

    private var figures: String {
        let first = report.counts.first?.routable ?? 0
        let last = report.counts.last?.routable ?? 0
        let least = report.counts.map(\.routable).min() ?? 0
        let parts = [
            ("routable at the start", "\(first)"), ("at the least", "\(least)"), ("at the end", "\(last)"),
            ("events", "\(report.eventsInAll)"), ("instances that changed", "\(report.lanes.count)"),
            ("that did not", "\(report.quietInstances)"),
        ]
        return "<ul class=\"figures\">"
            + parts.map { "<li><b>\($0.1)</b> \($0.0)</li>" }.joined() + "</ul>"
    }

    // MARK: Drawings

    private func x(_ time: Timestamp, from left: Double) -> Double {
        let span = max(1, Double(report.until.time.rawValue) - Double(report.since.time.rawValue))
        let share = (Double(time.rawValue) - Double(report.since.time.rawValue)) / span
        return left + min(1, max(0, share)) * (Self.width - left)
    }

    private func number(_ value: Double) -> String {
        let tenths = Int64((value * 10).rounded())
        return "\(tenths / 10).\(tenths % 10)"
    }

    private var chart: String {
        let left = 48.0
        let highest = max(1, report.counts.map(\.registered).max() ?? 1)
        func y(_ count: Int) -> Double { 8 + (1 - Double(count) / Double(highest)) * (Self.chartHeight - 16) }
        func steps(_ value: (IncidentReport.Count) -> Int) -> String {
            var path = ""
            for count in report.counts {
                let place = number(x(count.time, from: left))
                path += path.isEmpty ? "M\(place) \(number(y(value(count))))" : "H\(place)V\(number(y(value(count))))"
            }
            return path
        }
        let area = steps(\.routable) + "V\(number(y(0)))H\(number(left))Z"
        return """
            <svg viewBox="0 0 \(Int(Self.width)) \(Int(Self.chartHeight) + 20)" role="img" aria-label="Routable and registered instances over time">
            <line class="axis" x1="\(left)" y1="\(number(y(0)))" x2="\(Self.width)" y2="\(number(y(0)))"/>
            <text x="\(left - 6)" y="\(number(y(highest) + 4))" text-anchor="end">\(highest)</text>
            <text x="\(left - 6)" y="\(number(y(0) + 4))" text-anchor="end">0</text>
            <path class="area" d="\(area)"/><path class="registered" d="\(steps(\.registered))"/>
            \(timeAxis(from: left, at: Self.chartHeight + 14))
            </svg>
            """
    }

    private func timeAxis(from left: Double, at y: Double) -> String {
        let span = report.until.time.since(report.since.time)
        let isLong = span > .seconds(2 * 86_400)
        return (0...4).map { part in
            let time = report.since.time.advanced(by: span * part / 4)
            let text = isLong ? String(time.utcText.prefix(10)) : time.utcClock
            let anchor = part == 0 ? "start" : part == 4 ? "end" : "middle"
            return
                "<text x=\"\(number(x(time, from: left)))\" y=\"\(number(y))\" text-anchor=\"\(anchor)\">\(text)</text>"
        }.joined()
    }

    private var legend: String {
        let names = Health.allCases.map(\.description) + ["gone"]
        return "<ul class=\"legend\">" + names.map { "<li><i class=\"\($0)\"></i>\($0)</li>" }.joined() + "</ul>"
    }

    private var timeline: String {
        guard !report.lanes.isEmpty else { return "<p>No instance changed.</p>" }
        let height = Double(report.lanes.count) * Self.laneHeight + 20
        var body = ""
        for (index, lane) in report.lanes.enumerated() {
            let top = Double(index) * Self.laneHeight
            let name = escaped(lane.instance.description)
            body += "<text x=\"0\" y=\"\(number(top + 10))\"><title>\(name)</title>\(shortened(name))</text>"
            for span in lane.spans {
                let from = x(span.from, from: Self.labelWidth)
                let width = max(0.5, x(span.to, from: Self.labelWidth) - from)
                let health = span.health?.description ?? "gone"
                body +=
                    "<rect class=\"\(health)\" x=\"\(number(from))\" y=\"\(number(top + 2))\" width=\"\(number(width))\" "
                    + "height=\"\(number(Self.laneHeight - 4))\"><title>\(name) \(health), \(span.from.utcText) to \(span.to.utcText)</title></rect>"
            }
        }
        return """
            <svg viewBox="0 0 \(Int(Self.width)) \(Int(height))" role="img" aria-label="Health of each instance over time">
            \(body)\(timeAxis(from: Self.labelWidth, at: height - 6))
            </svg>
            """
    }

    private func shortened(_ name: String) -> String {
        name.count <= 36 ? name : name.prefix(35) + "…"
    }

    // MARK: Tables

    private var actors: String {
        guard !report.actors.isEmpty else { return "<p>Nobody: the registry alone.</p>" }
        let rows = report.actors.prefix(50).map {
            "<tr><td>\(escaped($0.name))</td><td class=\"n\">\($0.acts)</td></tr>"
        }
        return
            "<table><thead><tr><th>Who</th><th class=\"n\">Events</th></tr></thead><tbody>\(rows.joined())</tbody></table>"
    }

    private var events: String {
        let rows = report.events.map { event in
            let summary = EventSummary(event)
            let subject = summary.instance?.description ?? summary.service?.description ?? "registry"
            return
                "<tr><td>\(event.time.utcText)</td><td class=\"n\">\(event.sequence)</td><td>\(escaped(subject))</td>"
                + "<td>\(escaped(summary.text))</td><td>\(escaped(event.actorText))</td></tr>"
        }
        let rest = report.eventsInAll - report.events.count
        let more = rest > 0 ? "<p>\(rest) more events are not shown: hms-replay events.</p>" : ""
        return """
            <table><thead><tr><th>Time</th><th class="n">Sequence</th><th>About</th><th>What</th><th>By</th></tr></thead>
            <tbody>\(rows.joined(separator: "\n"))</tbody></table>\(more)
            """
    }

    /// What came from outside is text and nothing else.
    private func escaped(_ text: String) -> String {
        var safe = ""
        for character in text.unicodeScalars {
            switch character {
            case "&": safe += "&amp;"
            case "<": safe += "&lt;"
            case ">": safe += "&gt;"
            case "\"": safe += "&quot;"
            default: safe.unicodeScalars.append(character)
            }
        }
        return safe
    }

    private static let style = """
        :root{color-scheme:light dark;--text:#1a1d21;--dim:#5b6470;--back:#fff;--line:#d9dee4;--healthy:#2e8b57;--degraded:#d99a00;\
        --starting:#9bb8d3;--unhealthy:#c43d3d;--draining:#3f72b5;--gone:#8c939b}\
        @media(prefers-color-scheme:dark){:root{--text:#e6e9ed;--dim:#9aa4b0;--back:#15181c;--line:#333a42;--healthy:#4bb37a;\
        --degraded:#e0b040;--starting:#4d6f8f;--unhealthy:#e06060;--draining:#6a9ade;--gone:#5d656e}}\
        body{margin:0;background:var(--back);color:var(--text);font:15px/1.5 system-ui,sans-serif}\
        main{max-width:60rem;margin:0 auto;padding:2rem 1.2rem}h1{font-size:1.6rem;margin:0}h2{font-size:1.1rem;margin:2rem 0 .5rem}\
        .facts,footer,dt,.legend{color:var(--dim)}footer{margin-top:2rem;border-top:1px solid var(--line);padding-top:.8rem}\
        .verdict{border:1px solid var(--line);border-left:6px solid var(--gone);padding:.8rem 1rem;margin:1rem 0}\
        .verdict.good{border-left-color:var(--healthy)}.verdict.fair{border-left-color:var(--degraded)}\
        .verdict.bad{border-left-color:var(--unhealthy)}dl{display:grid;grid-template-columns:max-content 1fr;gap:.1rem 1rem;margin:.6rem 0 0}\
        dd{margin:0;overflow-wrap:anywhere}.figures{list-style:none;padding:0;display:flex;flex-wrap:wrap;gap:.4rem 1.6rem}.figures b{font-size:1.3rem}\
        svg{width:100%;height:auto;display:block}svg text{fill:var(--dim);font:10px system-ui,sans-serif}.axis{stroke:var(--line)}\
        .area{fill:var(--healthy);opacity:.35}.registered{fill:none;stroke:var(--text);stroke-width:1.2}\
        rect.healthy,i.healthy{fill:var(--healthy);background:var(--healthy)}rect.degraded,i.degraded{fill:var(--degraded);background:var(--degraded)}\
        rect.starting,i.starting{fill:var(--starting);background:var(--starting)}rect.unhealthy,i.unhealthy{fill:var(--unhealthy);background:var(--unhealthy)}\
        rect.draining,i.draining{fill:var(--draining);background:var(--draining)}rect.gone{fill:none;stroke:var(--gone);stroke-width:.5}\
        i.gone{box-shadow:inset 0 0 0 1px var(--gone)}.legend{list-style:none;padding:0;display:flex;flex-wrap:wrap;gap:.2rem 1rem}\
        .legend i{display:inline-block;width:.9em;height:.9em;margin-right:.35em;vertical-align:-.1em}\
        table{border-collapse:collapse;width:100%;font-size:.85rem}th,td{text-align:left;padding:.25rem .6rem .25rem 0;border-bottom:1px solid var(--line);vertical-align:top}\
        .n{text-align:right}td:first-child{white-space:nowrap}\
        @media print{:root{--text:#000;--dim:#444;--back:#fff;--line:#bbb}main{max-width:none;padding:0}h2{break-after:avoid}tr,svg{break-inside:avoid}\
        *{-webkit-print-color-adjust:exact;print-color-adjust:exact}}
        """
}

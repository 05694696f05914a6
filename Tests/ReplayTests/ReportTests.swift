import EventLog
import Registry
import RegistryModel
import Replay
import TestSupport
import Testing

@Suite("Incident reports")
struct ReportTests {
    private func page(_ history: RecordedHistory, notes: [String] = []) throws -> (IncidentReport, String) {
        let source = try history.source()
        let report = try IncidentReport.of(
            source,
            since: try Moment.sequence(SequenceNumber(5)).resolve(in: source),
            until: try Moment.now.resolve(in: source),
            service: nil,
            verification: try LogVerification.run(source, notes: notes)
        )
        return (report, IncidentPage(report, title: "Nov 24 <script>", program: "hms-replay").html)
    }

    @Test("the page says what happened, who acted and whether the record is whole, and loads nothing")
    func content() async throws {
        try await withTemporaryDirectory { directory in
            let history = try await RecordedHistory.record(in: directory)
            let (report, html) = try page(history, notes: [history.note])
            // The first four registrations lie before it.
            #expect(report.counts.first?.routable == 4)
            #expect(report.counts.last?.routable == 38)
            #expect(report.actors.map(\.name) == ["uid 1000", "uid 1001", "uid 1002"])
            #expect(html.contains("<strong>INTACT.</strong>"))
            #expect(html.contains("billing/b-3"))
            #expect(html.contains("healthy → draining") || html.contains(">draining<"))
            #expect(html.contains("Nov 24 &lt;script&gt;") && !html.contains("<script"))
            for word in ["http:", "https:", "src=", "@import", "url(", "<link"] {
                #expect(!html.contains(word), "\(word)")
            }
            let (_, unanchored) = try page(history)
            #expect(unanchored.contains("<strong>CONSISTENT, NOT ANCHORED.</strong>"))
        }
    }

    @Test("a lane's stretches follow each other from the first moment to the last")
    func lanes() async throws {
        try await withTemporaryDirectory { directory in
            let (report, _) = try page(try await RecordedHistory.record(in: directory))
            #expect(!report.lanes.isEmpty)
            for lane in report.lanes {
                for (span, next) in zip(lane.spans, lane.spans.dropFirst()) {
                    #expect(span.to == next.from && span.health != next.health, "\(lane.instance)")
                }
                #expect(lane.spans.last?.to == report.until.time)
            }
        }
    }
}

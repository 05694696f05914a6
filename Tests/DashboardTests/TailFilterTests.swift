import Testing

@testable import Dashboard

@Suite("Requests that a page is shown")
struct TailFilterTests {
    private static let outbound =
        #"{"direction":"outbound","from":"web","to":"identity","tries":[{"instance":"a","failed":"refused"},{"instance":"b","status":200}]}"#
    private static let inbound = #"{"direction":"inbound","from":"web","to":"identity","tries":[]}"#

    private static func shows(
        _ text: String,
        _ filter: TailFilter,
        of sidecar: (String, String),
        local: Set<String>
    ) -> Bool {
        guard let line = TailLine(Array(text.utf8)[...]) else { return false }
        return filter.shows(
            line,
            of: (service: sidecar.0, id: sidecar.1),
            local: local,
            isInstanceLocal: local.contains(filter.service)
        )
    }

    @Test("a call that both ends log is shown once")
    func once() {
        let filter = TailFilter(service: "identity")
        #expect(Self.shows(Self.outbound, filter, of: ("web", "1"), local: ["web", "identity"]))
        #expect(!Self.shows(Self.inbound, filter, of: ("identity", "b"), local: ["web", "identity"]))
        #expect(Self.shows(Self.inbound, filter, of: ("identity", "b"), local: ["identity"]))
        #expect(Self.shows(Self.outbound, TailFilter(service: "web"), of: ("web", "1"), local: ["web"]))
        #expect(!Self.shows(Self.outbound, TailFilter(service: "billing"), of: ("web", "1"), local: ["web"]))
    }

    @Test("an instance with its sidecar here is told of by that one, another by those that try it")
    func instances() {
        let filter = TailFilter(service: "identity", instance: "b")
        #expect(Self.shows(Self.inbound, filter, of: ("identity", "b"), local: ["identity", "web"]))
        #expect(!Self.shows(Self.inbound, filter, of: ("identity", "a"), local: ["identity", "web"]))
        #expect(!Self.shows(Self.outbound, filter, of: ("web", "1"), local: ["identity", "web"]))
        #expect(Self.shows(Self.outbound, filter, of: ("web", "1"), local: ["web"]))
        #expect(
            !Self.shows(Self.outbound, TailFilter(service: "identity", instance: "c"), of: ("web", "1"), local: ["web"])
        )
    }

    @Test("what does not fit is counted, the newest is kept")
    func mailbox() {
        let mailbox = TailMailbox()
        for index in 0..<(TailMailbox.mostLines + 5) { mailbox.put([UInt8(index % 256)]) }
        mailbox.skip(2)
        let (lines, skipped) = mailbox.takeAll()
        #expect(lines.count == TailMailbox.mostLines)
        #expect(lines.last == [UInt8((TailMailbox.mostLines + 4) % 256)])
        #expect(skipped == 7)
        #expect(mailbox.takeAll().lines.isEmpty)
    }
}

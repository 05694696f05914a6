import Testing

@testable import Dashboard

@Suite("Who the dashboard answers")
struct HostRuleTests {
    @Test(
        "names of loopback, with any port",
        arguments: ["localhost", "LOCALHOST:9010", "127.0.0.1:9010", "127.0.0.1", "[::1]:9010", "[::1]"]
    )
    func loopback(host: String) {
        #expect(HostRule.answers(host: host))
    }

    @Test(
        "no other name, whatever it looks like",
        arguments: [
            "", "evil.example", "localhost.evil.example:9010", "127.0.0.1.evil.example", "127.0.0.1:9010:1",
            "[::1].evil",
            "localhost:", "localhost:99999", "0.0.0.0:9010", "10.0.0.1", "evil.example:127.0.0.1", "[::1]x:9010",
            "127.0.0.2",
        ]
    )
    func others(host: String) {
        #expect(!HostRule.answers(host: host))
    }

    @Test("a page of elsewhere may lead here, and ask nothing")
    func sites() {
        #expect(HostRule.answers(site: nil, isPage: false))
        #expect(HostRule.answers(site: "same-origin", isPage: false))
        #expect(HostRule.answers(site: "cross-site", isPage: true))
        #expect(!HostRule.answers(site: "cross-site", isPage: false))
        #expect(!HostRule.answers(site: "same-site", isPage: false))
    }
}

import RegistryModel
import Testing

@Suite("Address ranges")
struct IPRangeTests {
    @Test(
        "hold what begins alike",
        arguments: [
            ("10.0.0.0/8", "10.255.0.1", true), ("10.0.0.0/8", "11.0.0.1", false), ("10.1.2.3", "10.1.2.3", true),
            ("10.1.2.3", "10.1.2.4", false), ("0.0.0.0/0", "203.0.113.9", true), ("0.0.0.0/0", "::1", false),
            ("10.1.128.0/17", "10.1.127.255", false), ("10.1.128.0/17", "10.1.200.1", true),
            ("fd00::/8", "fd12::1", true), ("fd00::/8", "fe80::1", false), ("10.0.0.0/8", "::ffff:10.1.2.3", true),
            ("10.0.0.0/8", "host.example", false), ("10.0.0.0/8", "", false),
        ]
    )
    func contains(range: String, host: String, isInside: Bool) throws {
        #expect(try #require(IPRange(range)).contains(host) == isInside)
    }

    @Test(
        "are nothing else",
        arguments: ["", "10.0.0.0/33", "10.0.0.0/-1", "10.0.0/8", "fd00::/129", "x/8", "10.0.0.0/8/8"]
    )
    func malformed(text: String) {
        #expect(IPRange(text) == nil)
    }

    @Test("two texts of one address, and any two of loopback, are the same host")
    func sameHost() {
        #expect(IPRange.isSameHost("127.0.0.1", "::1"))
        #expect(IPRange.isSameHost("::ffff:10.0.0.1", "10.0.0.1"))
        #expect(IPRange.isSameHost("fd00:0::1", "fd00::1"))
        #expect(!IPRange.isSameHost("10.0.0.1", "10.0.0.2"))
        #expect(!IPRange.isSameHost("localhost", "localhost"))
    }
}

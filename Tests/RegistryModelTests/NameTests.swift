import TestSupport
import Testing

@testable import RegistryModel

private let invalid = RegistryModelError(.invalidField, "")

@Suite("Names")
struct NameTests {
    @Test(
        "a DNS label is a service name",
        arguments: ["a", "7", "billing", "a-b", "a--b", "0a9", String(repeating: "a", count: 63)]
    )
    func serviceNames(_ text: String) throws {
        #expect(try ServiceName(text).description == text)
    }

    @Test(
        "anything else is not, and the message stays short and clean",
        arguments: [
            "", "-a", "a-", "-", "A", "aB", "a.b", "a_b", "a b", "a/b", "é", "a\u{301}", "a\u{0}", "\n", "а",
            String(repeating: "a", count: 64), String(repeating: "\u{1}", count: 9_000),
            "x" + String(repeating: "\u{301}", count: 9_000),
        ]
    )
    func badServiceNames(_ text: String) {
        let error = #expect(throws: invalid) { _ = try ServiceName(text) }
        let message = error?.message ?? ""
        #expect(message.utf8.count < 500)
        #expect(message.unicodeScalars.allSatisfy { $0.value >= 0x20 })
    }

    @Test("reserved names are refused", arguments: ["localhost", "registry", "hms"])
    func reserved(_ text: String) {
        #expect(throws: invalid) { _ = try ServiceName(text) }
    }

    @Test(
        "instance ids",
        arguments: ["a", "A-1", "host.example.org-8080", "a:b_c", String(repeating: "x", count: 128)]
    )
    func instanceIDs(_ text: String) throws {
        #expect(try InstanceID(text).description == text)
    }

    @Test(
        "what is no instance id",
        arguments: ["", "-a", ".a", "_a", ":a", "a b", "a/b", "a\u{0}", "é", String(repeating: "x", count: 129)]
    )
    func badInstanceIDs(_ text: String) {
        #expect(throws: invalid) { _ = try InstanceID(text) }
    }

    @Test(
        "endpoints",
        arguments: [("10.1.3.4", "10.1.3.4:1"), ("fe80::1%eth0", "[fe80::1%eth0]:1"), ("a.example", "a.example:1")]
    )
    func endpoints(_ host: String, _ shown: String) throws {
        #expect(try Endpoint(host: host, port: 1).description == shown)
    }

    @Test(
        "what can't be dialled",
        arguments: [
            "", ".a", "-a", "a b", "a/b", "1:2", "::g", "fe80::1%", "[::1]", "é", "a\u{0}",
            String(repeating: "a", count: 254),
        ]
    )
    func badEndpoints(_ host: String) {
        #expect(throws: invalid) { _ = try Endpoint(host: host, port: 1) }
        #expect(throws: invalid) { _ = try Endpoint(host: "10.0.0.1", port: 0) }
    }

    @Test("keys sort by service, then id")
    func order() {
        let keys = [Sample.key("a", "z"), Sample.key("b", "a"), Sample.key("b", "b")]
        #expect(keys.reversed().sorted() == keys)
        #expect(keys[0].description == "a/z")
    }

    @Test("an epoch is sixteen lower-case hexadecimal digits and nothing else")
    func epochs() {
        #expect(Epoch("00000000000000ff")?.rawValue == 255)
        #expect(Epoch(rawValue: 255).description == "00000000000000ff")
        for text in [
            "", "ff", "00000000000000FF", "+0000000000000ff", "-0000000000000ff", "0000000000000000f",
            "000000000000000g",
        ] {
            #expect(Epoch(text) == nil, "\(text)")
        }
        #expect(RegistryID(rawValue: 0x1234).short == "00000000")
    }

    @Test("the nearest known names come first, and far ones not at all")
    func nearest() {
        let known = ["service", "id", "ip", "port", "appPort", "weight"]
        #expect(NearestName.matches(for: "wieght", in: known) == ["weight"])
        #expect(NearestName.matches(for: "prot", in: known).first == "port")
        #expect(NearestName.matches(for: "apport", in: known) == ["appPort", "port"])
        #expect(NearestName.matches(for: "serviec", in: known, limit: 1) == ["service"])
        #expect(NearestName.matches(for: "completely-else", in: known) == [])
        #expect(NearestName.matches(for: String(repeating: "a", count: 10_000), in: known) == [])
        #expect(NearestName.alignmentDistance(Array("ca".utf8), Array("abc".utf8)) == 3)
        #expect(NearestName.alignmentDistance([], Array("abc".utf8)) == 3)
        #expect(NearestName.alignmentDistance(Array("ab".utf8), Array("ba".utf8)) == 1)
    }
}

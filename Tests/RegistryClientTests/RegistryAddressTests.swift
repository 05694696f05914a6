import RegistryModel
import Testing

@testable import RegistryClient

@Suite("A registry's address")
struct RegistryAddressTests {
    @Test(
        "is a socket or a door on loopback",
        arguments: [
            "unix:/run/hms/regd.sock", "http://127.0.0.1:9001", "http://localhost:9001", "http://[::1]:9001",
            "https://reg.gov.local:9000", "https://[fd00::1]:9000",
        ]
    )
    func good(text: String) throws {
        #expect(try RegistryAddress(text).description == text)
    }

    @Test(
        "is nothing else",
        arguments: [
            "", "unix:", "unix:" + String(repeating: "x", count: 108), "127.0.0.1", "http://127.0.0.1", "ftp://a:1",
            "https://:9000", "https://a b:9000",
            "http://10.0.0.1:9001",
            "http://127.0.0.1:0", "http://127.0.0.1:99999",
        ]
    )
    func bad(text: String) {
        #expect(throws: RegistryClientError(.badAddress, "")) { try RegistryAddress(text) }
    }

    @Test("without a scheme is a TLS door")
    func bare() throws {
        let address = try RegistryAddress("reg.gov.local:9000")
        #expect(address.description == "https://reg.gov.local:9000")
        #expect(address.isTLS)
        #expect(address.authority == "reg.gov.local:9000")
        #expect(try !RegistryAddress("http://127.0.0.1:9001").isTLS)
    }

    @Test("the user\'s socket is looked for before the machine\'s, the dev registry\'s own last")
    func wellKnown() {
        #expect(RegistryAddress.wellKnownSockets { _ in nil } == ["/run/hms/regd.sock"])
        #expect(
            RegistryAddress.wellKnownSockets { ["XDG_RUNTIME_DIR": "/run/user/7", "HOME": "/home/ada"][$0] } == [
                "/run/user/7/hms/regd.sock", "/run/hms/regd.sock", "/home/ada/.local/state/hms/dev/regd.sock",
            ]
        )
        #expect(
            RegistryAddress.wellKnownSockets { ["XDG_STATE_HOME": "/var/state", "HOME": "/home/ada"][$0] } == [
                "/home/ada/.hms/run/regd.sock", "/run/hms/regd.sock", "/var/state/hms/dev/regd.sock",
            ]
        )
    }

    @Test("reconnecting waits longer each time, at random, up to a bound, and shortly after a success")
    func backoff() {
        var backoff = ReconnectBackoff(base: .milliseconds(100), cap: .seconds(1))
        let waits = (0..<6).map { _ in backoff.next(random: 1) }
        #expect(
            waits == [
                .milliseconds(100), .milliseconds(200), .milliseconds(400), .milliseconds(800), .seconds(1),
                .seconds(1),
            ]
        )
        #expect(backoff.next(random: 0.25) == .milliseconds(250))
        #expect(backoff.next(random: -1) == .zero)
        backoff.reset()
        #expect(backoff.next(random: 7) == .milliseconds(100))
    }
}

@Suite("What the registry sends")
struct AnswerTests {
    @Test("instances are read, and keys of later versions passed over")
    func instance() throws {
        let json = Array(
            """
            {"id":"ws14-7000","ip":"10.1.3.4","port":17000,"appPort":7000,"version":"1.0.0","tags":["blue"],"ttlMs":null,
            "novelty":{"a":[1]},"handle":4711,"status":"degraded","cause":"probe","detail":"slow",
            "since":"2026-11-24T14:05:12.481Z","registeredAt":"2026-11-24T14:05:12Z","sequence":4712,"lastBeatMs":250}
            """.utf8
        )
        let found = try JSONReader.parse(json) { (json) throws(RegistryModelError) in
            try RegisteredInstance(service: try ServiceName("photo-validator"), from: &json)
        }
        #expect(found.instance.key.description == "photo-validator/ws14-7000")
        #expect(found.instance.appPort == 7_000)
        #expect(found.instance.lease == .permanent)
        #expect(found.health == .degraded)
        #expect(found.detail == "slow")
        #expect(found.lastBeat == .milliseconds(250))
        #expect(found.since.description == "2026-11-24T14:05:12.481Z")
    }

    @Test("every truncation of a watch's document is an error, never a crash")
    func truncations() throws {
        let document = Array(
            """
            {"service":"a","known":true,"instances":[{"id":"1","ip":"10.0.0.1","port":1,"status":"healthy"}],"policy":{"retries":2}}
            """.utf8
        )
        let whole = try WatchMessage(ServerSentEvent(name: "service", data: document))
        guard case .service(_, let instances, let policy, true) = whole else {
            Issue.record("it is \(whole)")
            return
        }
        #expect(instances.count == 1)
        #expect(policy?.retries == 2)
        for length in 0..<document.count {
            let cut = ServerSentEvent(name: "service", data: Array(document[..<length]))
            #expect(throws: RegistryClientError(.malformedAnswer, "")) { try WatchMessage(cut) }
        }
    }

    @Test("a problem without words is still an error that says something")
    func problems() {
        let known = RegistryClientError(
            problem: Array(#"{"code":"unknown-service","detail":"no","hint":"x?","nearest":["x"]}"#.utf8),
            status: 404
        )
        #expect(known.code == .unknownService)
        #expect(known.nearest == ["x"])
        let none = RegistryClientError(problem: Array("<html>".utf8), status: 502)
        #expect(none.code == .malformedAnswer)
        #expect(none.message.contains("502"))
    }

    @Test("what stands in a query is escaped")
    func escapes() {
        #expect(PercentCoding.encoded("a b&c=\u{e9}\n~") == "a%20b%26c%3D%C3%A9%0A~")
    }
}

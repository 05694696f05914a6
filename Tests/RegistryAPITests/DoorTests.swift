import NIOCore
import RegistryModel
import Testing

@testable import Registry
@testable import RegistryAPI

@Suite("What comes in at the doors")
struct DoorTests {
    @Test(
        "paths and queries are split and decoded",
        arguments: [
            ("/v1/services/a", ["v1", "services", "a"], []),
            ("/v1/services/a%2Fb?x=1&y=%C3%A9&z", ["v1", "services", "a/b"], ["x=1", "y=é", "z="]),
            ("//v1//", ["v1"], []), ("/", [], []), ("/?=&a=b=c", [], ["=", "a=b=c"]),
        ]
    )
    func targets(uri: String, path: [String], query: [String]) throws {
        let target = try #require(RequestTarget(uri))
        #expect(target.path == path)
        #expect(target.query.map { "\($0.name)=\($0.value)" } == query)
    }

    @Test("an escape that is none is refused", arguments: ["/%", "/%2", "/%zz", "/%FF", "/a?b=%C3"])
    func badEscapes(uri: String) {
        #expect(RequestTarget(uri) == nil)
    }

    @Test(
        "listen addresses",
        arguments: [
            ("127.0.0.1:9001", true), ("[::1]:9001", true), ("localhost:0", true), ("0.0.0.0:9100", false),
        ]
    )
    func addresses(text: String, isLoopback: Bool) throws {
        let address = try ListenAddress(text)
        #expect(address.description == text)
        #expect(address.isLoopback == isLoopback)
    }

    @Test("bad listen addresses are told", arguments: ["", "9001", ":9001", "127.0.0.1", "127.0.0.1:70000", "x:-1"])
    func badAddresses(text: String) {
        #expect(throws: RegistryError(.badRequest, "")) { try ListenAddress(text) }
    }

    @Test(
        "external URLs give host, port and a name",
        arguments: [
            ("https://legacy.agency.gov", "legacy.agency.gov", 443, "legacy-agency-gov"),
            ("http://Legacy.Agency.gov:8080/v2/status?x=1", "Legacy.Agency.gov", 8_080, "legacy-agency-gov"),
            ("https://[::1]:8443/", "::1", 8_443, "--1"),
        ] as [(String, String, UInt16, String)]
    )
    func externalURLs(text: String, host: String, port: UInt16, name: String) throws {
        let url = try ExternalURL(text)
        #expect(url.host == host)
        #expect(url.port == port)
        #expect(url.derivedName == name)
    }

    @Test(
        "what is no such URL is refused",
        arguments: [
            "", "legacy.agency.gov", "ftp://x", "https://", "https://user@x", "https://x:0", "https://x:99999",
            "https://x#f",
            "https://x y", "https://\u{e9}", "https://x/" + String(repeating: "y", count: 2_048),
        ]
    )
    func badExternalURLs(text: String) {
        #expect(throws: RegistryModelError(.invalidField, "")) { try ExternalURL(text) }
    }

    @Test("every error of the registry has a status and a word of its own")
    func problems() {
        let codes: [RegistryError.Code: Int] = [
            .badRequest: 400, .unknownService: 404, .unknownInstance: 404, .superseded: 412, .tooManyInstances: 422,
            .overloaded: 503, .stopping: 503, .viewFailed: 503, .logFailed: 503, .diskFull: 507,
        ]
        for (code, status) in codes {
            let problem = ProblemDetails(RegistryError(code, "so", hint: "do", isRecorded: code == .viewFailed))
            #expect(problem.status == status)
            let json = problem.json.string
            #expect(json.hasPrefix("{\"type\":\"urn:hms:error:\(code)\""))
            #expect(json.contains("\"outcome\":\"recorded\"") == (code == .viewFailed))
        }
    }
}

@Suite("What goes out on a watch")
struct EventStreamBodyTests {
    @Test("only the last event of a complete state carries the cursor")
    func cursor() throws {
        let key = InstanceKey(service: try ServiceName("a"), id: try InstanceID("1"))
        let cursor = WatchCursor(epoch: Epoch(rawValue: 1), sequence: SequenceNumber(7))
        let events: [WatchEvent] = [
            .reset, .service(key.service, instances: Array("[]".utf8), policy: nil, isKnown: true), .remove(key),
        ]
        let whole = String(
            buffer: try EventStreamBody.encode(WatchBatch(events: events, cursor: cursor), bundle: { [] })
        )
        #expect(
            whole == """
                event: reset
                data: {}

                event: service
                data: {"service":"a","known":true,"instances":[],"policy":null}

                event: remove
                id: 0000000000000001-7
                data: {"service":"a","id":"1"}


                """
        )
        let partial = String(
            buffer: try EventStreamBody.encode(WatchBatch(events: events, cursor: nil), bundle: { [] })
        )
        #expect(!partial.contains("id:  "))
        #expect(!partial.contains("\nid: "))
        #expect(
            String(buffer: try EventStreamBody.encode(WatchBatch(events: [], cursor: cursor), bundle: { [] }))
                == ":\n\n"
        )
    }
}

@Suite("When external services are probed")
struct ProbeScheduleTests {
    private func target(_ name: String) throws -> ProbeTarget {
        ProbeTarget(
            key: InstanceKey(service: try ServiceName(name), id: try InstanceID("1")),
            handle: InstanceHandle(1),
            url: "http://\(name)"
        )
    }

    @Test("at once when new, then every interval, whatever the others take")
    func dueTimes() throws {
        let schedule = ProbeSchedule(interval: .seconds(10), concurrency: 8)
        let start = ContinuousClock.now
        let (a, b) = (try target("a"), try target("b"))
        schedule.replaceTargets([a], now: start)
        #expect(schedule.takeDue(now: start) == [a])
        schedule.replaceTargets([a, b], now: start + .seconds(1))
        #expect(schedule.takeDue(now: start + .seconds(1)) == [b])
        schedule.finished(b.key)
        #expect(schedule.takeDue(now: start + .seconds(10)) == [], "a's probe is still under way")
        schedule.finished(a.key)
        #expect(schedule.takeDue(now: start + .seconds(10)) == [a])
        #expect(schedule.takeDue(now: start + .seconds(11)) == [b])
    }

    @Test("never more at a time than the bound, and gone ones no more")
    func bound() throws {
        let schedule = ProbeSchedule(interval: .seconds(10), concurrency: 2)
        let start = ContinuousClock.now
        let targets = try ["a", "b", "c"].map(target)
        schedule.replaceTargets(targets, now: start)
        #expect(schedule.takeDue(now: start) == Array(targets[..<2]))
        #expect(schedule.takeDue(now: start) == [])
        schedule.finished(targets[0].key)
        #expect(schedule.takeDue(now: start) == [targets[2]])
        schedule.replaceTargets([], now: start)
        #expect(schedule.takeDue(now: start + .seconds(60)) == [])
    }
}

@Suite("How many event loops")
struct ProcessorsTests {
    @Test(
        "as many as the scheduler lets this process use",
        arguments: [
            ("Name:\tx\nCpus_allowed:\t3\nCpus_allowed_list:\t0-1\n", 2), ("Cpus_allowed:\tff,ffffffff\n", 40),
            ("Cpus_allowed:\t2\n", 1), ("Cpus_allowed:\t\n", nil), ("", nil),
        ] as [(String, Int?)]
    )
    func allowed(status: String, count: Int?) {
        #expect(Processors.allowed(status) == count)
    }
}

import RegistryClient
import RegistryModel
import Testing

@testable import Dashboard

@Suite("Which sidecars are asked elsewhere")
struct SidecarSourceTests {
    private static func entry(
        _ service: String,
        _ ids: [String],
        health: String = "healthy",
        certificate: String = "sha256:00",
        _ more: String = ""
    ) throws -> ServiceEntry {
        let name = try ServiceName(service)
        return ServiceEntry(
            try ids.map { id in
                let text = """
                    {"id":"\(id)","ip":"10.0.0.1","port":1,"handle":1,"status":"\(health)","cause":"reported",
                     "since":"2026-11-24T14:05:12.000Z","registeredAt":"2026-11-24T14:00:00.000Z","sequence":1,
                     "tlsCert":"\(certificate)"\(more)}
                    """
                return try JSONReader.parse(Array(text.utf8)) { (json) throws(RegistryModelError) in
                    try RegisteredInstance(service: name, from: &json)
                }
            }
        )
    }

    private static func found(
        _ known: [String: ServiceEntry],
        of services: Set<String> = [],
        limit: Int
    ) throws -> (names: [String], leftOut: Int) {
        let known = try known.map { (try ServiceName($0.key), $0.value) }
        let result = RegistryMirror.sidecars(
            among: Dictionary(known) { $1 },
            of: Set(try services.map { try ServiceName($0) }),
            limit: limit
        )
        return (result.found.compactMap { $0.key?.description }, result.leftOut)
    }

    @Test("each service's first, then each one's second, as many as there may be")
    func turns() throws {
        let known = ["a": try Self.entry("a", ["2", "1", "3"]), "b": try Self.entry("b", ["1"])]
        let all = try Self.found(known, limit: 9)
        #expect(all.names == ["a/1", "b/1", "a/2", "a/3"] && all.leftOut == 0)
        let some = try Self.found(known, limit: 3)
        #expect(some.names == ["a/1", "b/1", "a/2"] && some.leftOut == 1)
        let one = try Self.found(known, of: ["b"], limit: 9)
        #expect(one.names == ["b/1"] && one.leftOut == 0)
    }

    @Test("not what has none: external services, what somebody registered by hand, and what is dead")
    func without() throws {
        let known = [
            "external": try Self.entry("external", ["1"], #","externalUrl":"https://a.example""#),
            "dead": try Self.entry("dead", ["1"], health: "unhealthy"),
            "hand": try Self.entry("hand", ["1"], certificate: ""),
        ]
        #expect(try Self.found(known, limit: 9).names == [])
    }

    @Test("one that does not answer is asked again more and more seldom, and never more seldom than once a minute")
    func silent() {
        let begin = ContinuousClock.now
        var silent = SilentSidecar(reason: "refused", now: begin)
        #expect(!silent.isDue(begin) && silent.isDue(begin + .seconds(2)))
        silent.failedAgain("timeout", now: begin)
        #expect(silent.reason == "timeout")
        #expect(!silent.isDue(begin + .milliseconds(3_999)) && silent.isDue(begin + .seconds(4)))
        for _ in 0..<20 { silent.failedAgain("timeout", now: begin) }
        #expect(!silent.isDue(begin + .seconds(59)) && silent.isDue(begin + .seconds(60)))
    }
}

import RegistryClient
import RegistryModel
import TestSupport
import Testing

@testable import Dashboard

@Suite("What the page is told of the registry")
struct RegistryMirrorTests {
    private static func instance(
        _ service: String,
        _ id: String,
        _ health: String = "healthy",
        sequence: UInt64 = 1,
        more: String = ""
    ) throws -> RegisteredInstance {
        let text = """
            {"id":"\(id)","ip":"10.0.0.1","port":1,"version":"1.0","handle":\(sequence),"status":"\(health)",
             "cause":"reported","since":"2026-11-24T14:05:12.000Z","registeredAt":"2026-11-24T14:00:00.000Z",
             "sequence":\(sequence)\(more)}
            """
        let name = try ServiceName(service)
        return try JSONReader.parse(Array(text.utf8)) { (json) throws(RegistryModelError) in
            try RegisteredInstance(service: name, from: &json)
        }
    }

    private static func model() throws -> DashboardModel {
        let model = DashboardModel(registry: try RegistryAddress(socket: "/x"))
        model.beginWatch(at: SequenceNumber(10))
        return model
    }

    private static func news(_ model: DashboardModel, _ revision: inout UInt64) throws -> JSONValue? {
        try model.news(since: &revision).map { try JSONValue(parsing: $0) }
    }

    private static func names(_ news: JSONValue?) -> [String] {
        (news?["rows"]?.elements ?? []).compactMap { $0["n"]?.text }.sorted()
    }

    @Test("everything the first time, then what changed alone, then nothing")
    func changes() throws {
        let model = try Self.model()
        let (a, b) = (try ServiceName("a"), try ServiceName("b"))
        model.take(.service(a, [try Self.instance("a", "1"), try Self.instance("a", "2", "unhealthy")], nil))
        model.take(.service(b, [try Self.instance("b", "1")], nil))
        var revision: UInt64 = 0
        let first = try Self.news(model, &revision)
        #expect(first?["whole"] == .bool(true))
        #expect(Self.names(first) == ["a", "b"])
        #expect(try Self.news(model, &revision) == nil)
        model.take(.upsert(try Self.instance("b", "2", "degraded", sequence: 11)))
        let second = try Self.news(model, &revision)
        #expect(Self.names(second) == ["b"])
        #expect(second?["whole"] == nil)
        #expect(second?["rows"]?.elements.first?["s"]?.elements.map(\.number) == [0, 1, 1, 0, 0])
    }

    @Test("what was so before the dashboard came is no news; what happens then is, with where it came from")
    func feed() throws {
        let model = try Self.model()
        let a = try ServiceName("a")
        model.take(.service(a, [try Self.instance("a", "1", sequence: 10)], nil))
        var revision: UInt64 = 0
        #expect(try Self.news(model, &revision)?["feed"] == nil)
        model.take(.upsert(try Self.instance("a", "1", "unhealthy", sequence: 11)))
        model.take(.remove(InstanceKey(service: a, id: try InstanceID("1"))))
        let feed = try Self.news(model, &revision)?["feed"]?.elements ?? []
        #expect(feed.map { $0["from"]?.text } == ["healthy", "unhealthy"])
        #expect(feed.map { $0["to"]?.text } == ["unhealthy", nil])
    }

    @Test("a registry with another history: everything is told anew")
    func reset() throws {
        let model = try Self.model()
        model.take(.service(try ServiceName("a"), [try Self.instance("a", "1")], nil))
        var revision: UInt64 = 0
        _ = try Self.news(model, &revision)
        model.take(.reset)
        model.take(.service(try ServiceName("c"), [try Self.instance("c", "1")], nil))
        let news = try Self.news(model, &revision)
        #expect(news?["whole"] == .bool(true))
        #expect(Self.names(news) == ["c"])
    }

    @Test("a service that is not known any more goes, also for a reader that was told long ago")
    func gone() throws {
        let model = try Self.model()
        let a = try ServiceName("a")
        model.take(.service(a, [try Self.instance("a", "1")], nil))
        var revision: UInt64 = 0
        _ = try Self.news(model, &revision)
        model.take(.service(a, [], nil, isKnown: false))
        model.take(.policy(try ServiceName("b"), nil))
        #expect(try Self.news(model, &revision)?["gone"]?.elements == [.string("a")])
    }

    @Test("instances are found by id, address, version, tag and metadata")
    func search() throws {
        let entry = ServiceEntry([
            try Self.instance("a", "WS14-7000", more: #","tags":["Blue"],"metadata":{"rack":"R7"}"#)
        ])
        for text in ["ws14", "10.0.0.1:1", "1.0", "blue", "rack=r7"] {
            #expect(entry.hasInstance(matching: text), "\(text)")
        }
        #expect(!entry.hasInstance(matching: "green"))
    }

    @Test("who waits is told once, however much there is")
    func waiting() async throws {
        let model = try Self.model()
        let count = try await model.withNews { news in
            for index in 0..<50 {
                model.take(.service(try ServiceName("s\(index)"), [], nil))
            }
            var iterator = news.makeAsyncIterator()
            _ = await iterator.next()
            var revision: UInt64 = 0
            return Self.names(try Self.news(model, &revision)).count
        }
        #expect(count == 50)
    }
}

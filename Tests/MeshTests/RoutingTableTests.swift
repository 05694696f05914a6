import RegistryClient
import RegistryModel
import TestSupport
import Testing

@testable import Mesh

@Suite("The routing table")
struct RoutingTableTests {
    private let service = SampleInstance.service

    @Test("follows what a watch says")
    func follows() {
        var table = RoutingTable()
        let two = SampleInstance.some(2)
        table.apply(.service(service, two.map(\.registered), MeshPolicy(retries: 4)), sequence: SequenceNumber(5))
        #expect(table.routes(of: service)?.instances.map(\.key) == two.map(\.key))
        #expect(table.routes(of: service)?.policy?.retries == 4)

        var ill = two[1]
        ill.health = .unhealthy
        table.apply(.upsert(ill.registered), sequence: SequenceNumber(6))
        #expect(table.routes(of: service)?.instances.map(\.health) == [.healthy, .unhealthy])

        table.apply(.upsert(SampleInstance(id: "b-3").registered), sequence: SequenceNumber(7))
        table.apply(.remove(two[0].key), sequence: SequenceNumber(8))
        table.apply(.policy(service, nil), sequence: SequenceNumber(9))
        #expect(table.routes(of: service)?.instances.map(\.key.id.description) == ["b-2", "b-3"])
        #expect(table.routes(of: service)?.policy == nil)
        #expect(table.sequence == SequenceNumber(9))
    }

    @Test("tells an unknown service from one that is known and empty")
    func unknownOrEmpty() {
        var table = RoutingTable()
        #expect(table.routes(of: service) == nil)
        table.apply(.service(service, [], nil, isKnown: false), sequence: SequenceNumber(1))
        #expect(table.routes(of: service)?.isKnown == false)
        table.apply(.upsert(SampleInstance().registered), sequence: SequenceNumber(2))
        table.apply(.remove(SampleInstance().key), sequence: SequenceNumber(3))
        #expect(table.routes(of: service)?.isKnown == true)
        table.apply(.service(service, [], nil), sequence: SequenceNumber(4))
        #expect(table.routes(of: service) == ServiceRoutes(service: service, instances: []))
        table.forget(service)
        #expect(table.routes(of: service) == nil)
    }

    @Test("keeps what it knew when the registry begins anew, until it is replaced")
    func reset() {
        var table = RoutingTable()
        table.apply(.service(service, [SampleInstance().registered], nil), sequence: SequenceNumber(900))
        table.apply(.denied(serials: ["01"], services: [:]), sequence: SequenceNumber(901))
        table.apply(.reset, sequence: SequenceNumber(3))
        #expect(table.routes(of: service)?.instances.count == 1)
        table.apply(.service(service, [], nil), sequence: SequenceNumber(3))
        #expect(table.routes(of: service)?.instances.isEmpty == true)
        #expect(table.sequence == SequenceNumber(3))
    }

    @Test("an instance is lapsed when its lease ran out, not when it says itself that it is ill")
    func lapsed() {
        #expect(SampleInstance(health: .unhealthy, cause: .heartbeatMissed).routed.isLapsed)
        #expect(!SampleInstance(health: .unhealthy, cause: .reported).routed.isLapsed)
        #expect(!SampleInstance(health: .healthy, cause: .heartbeatMissed).routed.isLapsed)
    }
}

@Suite("Repeatable routes")
struct RepeatableRouteTests {
    @Test(
        "cover what they say and nothing else",
        arguments: [
            ("POST /validate", "POST", "/validate", true),
            ("POST /validate", "POST", "/validate?deep=1", true),
            ("POST /validate", "PATCH", "/validate", false),
            ("POST /validate", "POST", "/validate/", false),
            ("POST /orders/*", "POST", "/orders/5", true),
            ("POST /orders/*", "POST", "/orders/5/lines", true),
            ("POST /orders/*", "POST", "/orders/", false),
            ("POST /orders/*", "POST", "/orders", false),
            ("POST /orders/*", "POST", "/ordersx/5", false),
            ("POST /orders/*", "POST", "/orders/../pay", false),
            ("POST /orders/*", "POST", "/orders/%2e%2E/pay", false),
            ("POST /orders/*", "POST", "/orders/5//pay", false),
            ("POST /orders/*", "POST", "/orders//pay", false),
            ("POST /orders/*", "POST", "/orders/..%2Fpay", false),
            ("POST /*", "POST", "/anything?at=all", true),
        ]
    )
    func matching(text: String, method: String, path: String, expected: Bool) {
        #expect(RepeatableRoute(text)?.matches(method: method, path: path) == expected)
        #expect(RepeatableRoute(text)?.description == text)
    }

    @Test(
        "that cannot be read are none",
        arguments: ["", "POST", "/x", "POST x", "POST /a b", "POST /*/b", "POST /a*", "POST /a?b"]
    )
    func malformed(text: String) {
        #expect(RepeatableRoute(text) == nil)
    }

    @Test("methods, a key or the service's word make a request repeatable")
    func repeatable() {
        let instance = SampleInstance(repeatable: ["POST /validate", "nonsense"]).routed
        for method in ["GET", "HEAD", "PUT", "DELETE", "OPTIONS"] {
            #expect(instance.isRepeatable(method: method, path: "/pay", hasIdempotencyKey: false))
        }
        #expect(!instance.isRepeatable(method: "POST", path: "/pay", hasIdempotencyKey: false))
        #expect(!instance.isRepeatable(method: "get", path: "/pay", hasIdempotencyKey: false))
        #expect(instance.isRepeatable(method: "POST", path: "/pay", hasIdempotencyKey: true))
        #expect(instance.isRepeatable(method: "POST", path: "/validate", hasIdempotencyKey: false))
    }
}

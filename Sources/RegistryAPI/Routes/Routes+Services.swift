import Hummingbird
import MaterializedView
import NIOCore
import Registry
import RegistryModel

extension RegistryRoutes {
    func addServices(to router: Router<Context>) {
        on(router, .get, "/v1/registry", parameters: ["status", "at"]) { request in
            let query = try LookupQuery(request.target, defaultStatus: .all)
            if let moment = query.at { return try await pastRegistry(query, at: moment) }
            return try LookupDocument(registry: registry).registryReply(filter: query.filter)
        }
        on(router, .get, "/v1/services", parameters: ["limit", "after"]) { request in try list(request) }
        on(router, .get, "/v1/services/:service", parameters: LookupQuery.parameters) { request in
            let name = try request.service()
            let query = try LookupQuery(request.target)
            if let moment = query.at { return try await pastLookup(name, query, at: moment) }
            if let sequence = query.after { try await awaitSequence(sequence) }
            return try LookupDocument(registry: registry)
                .reply(service: name, filter: query.filter, ifNoneMatch: request.header("if-none-match"))
        }
        on(router, .delete, "/v1/services/:service") { request in
            let outcome = try await request.submit(.removeService(try request.service()), to: registry)
            return ReplyDocuments.deregistered(outcome)
        }
    }

    private func list(_ request: RoutedRequest) throws -> Reply {
        let limit: Int
        switch request.target.parameter("limit").map({ Int($0) }) {
        case nil: limit = 1_000
        case .some(let value?) where (1...RequestLimits.listedServices).contains(value): limit = value
        default: throw ProblemDetails.badRequest("limit must be 1 to \(RequestLimits.listedServices)")
        }
        let after = try request.target.parameter("after").map { try ServiceName($0) }
        return try registry.view.read { (snapshot) throws -> Reply in
            var json = JSONWriter(reservingCapacity: 4_096)
            json.beginObject()
            json.key("services")
            json.beginArray()
            var last: ServiceName?
            var count = 0
            try snapshot.forEachService(after: after, limit: limit) { service in
                write(service, to: &json)
                last = service.name
                count += 1
            }
            json.endArray()
            if count == limit, let last { json.member("next", last.description) }
            json.key("totals")
            write(try snapshot.totals, to: &json)
            json.member("sequence", snapshot.sequence.rawValue)
            json.member("time", registry.now().time)
            json.endObject()
            var reply = Reply(json: json)
            reply.noteSequence(snapshot.sequence)
            return reply
        }
    }

    private func write(_ service: ServiceRecord, to json: inout JSONWriter) {
        json.beginObject()
        json.member("name", service.name.description)
        json.member("instances", service.counts.total)
        json.member("health", service.counts)
        json.member("versions", service.versions.map(\.version).filter { !$0.isEmpty })
        json.member("external", service.isExternal)
        json.member("shard", 0)
        json.member("modified", service.modified.rawValue)
        json.member("changedAt", service.changedAt)
        if let policy = service.policy {
            json.key("policy")
            policy.write(to: &json)
        }
        json.endObject()
    }

    private func write(_ totals: ViewTotals, to json: inout JSONWriter) {
        json.beginObject()
        json.member("services", totals.services)
        json.member("instances", totals.health.total)
        json.member("health", totals.health)
        json.endObject()
    }

    /// Read-your-writes across connections: waits until the view holds at least `sequence`.
    private func awaitSequence(_ sequence: SequenceNumber) async throws {
        let clock = ContinuousClock()
        let deadline = clock.now + RequestLimits.awaitedSequence
        while registry.sequence < sequence {
            guard clock.now < deadline else {
                throw ProblemDetails(
                    code: "not-yet",
                    status: 503,
                    title: "Not yet",
                    detail: "the view is at \(registry.sequence), not yet at \(sequence)"
                )
            }
            try await Task.sleep(for: .milliseconds(5))  // for another's commit, bounded by the deadline above
        }
    }
}

extension JSONWriter {
    mutating func member(_ name: String, _ counts: HealthCounts) {
        key(name)
        beginObject()
        for health in Health.allCases { member(health.description, counts[health]) }
        endObject()
    }
}

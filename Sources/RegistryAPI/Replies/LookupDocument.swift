import MaterializedView
import NIOCore
import Registry
import RegistryModel

/// Writes look-ups: ready-made fragments joined, nothing decoded.
struct LookupDocument {
    let registry: ServiceRegistry

    /// `{"<service>":[instance…]}`
    func reply(
        service name: ServiceName,
        filter: InstanceFilter,
        ifNoneMatch: String?
    ) throws -> Reply {
        let began = registry.monotonic()
        let reply = try registry.view.read { (snapshot) throws -> Reply? in
            guard let record = try snapshot.service(name) else { return nil }
            let etag = "\"\(registry.epoch)-\(record.modified)\""
            var reply = Reply()
            reply.headers.append(("etag", etag))
            reply.headers.append(("x-hms-sequence", String(snapshot.sequence.rawValue)))
            if registry.isProtecting { reply.headers.append(("x-hms-protected", "true")) }
            guard ifNoneMatch != etag else {
                reply.status = 304
                return reply
            }
            reply.body = ByteBuffer()
            reply.body.reserveCapacity(64 + Int(clamping: record.counts.total) * 256)
            reply.body.writeStaticString("{\"")
            reply.body.writeString(name.description)
            reply.body.writeStaticString("\":")
            try writeInstances(of: name, filter, snapshot, to: &reply.body)
            reply.body.writeStaticString("}")
            return reply
        }
        registry.metrics.lookups.add(1)
        registry.metrics.lookup.record(registry.monotonic().since(began))
        guard let reply else { throw unknownService(name.description) }
        return reply
    }

    /// `{"<service>":[instance…],…}`, every service.
    func registryReply(filter: InstanceFilter) throws -> Reply {
        try registry.view.read { (snapshot) throws -> Reply in
            var reply = Reply()
            reply.headers.append(("x-hms-sequence", String(snapshot.sequence.rawValue)))
            var names: [ServiceName] = []
            try snapshot.forEachService(after: nil, limit: .max) { names.append($0.name) }
            reply.body.writeStaticString("{")
            for (index, name) in names.enumerated() {
                reply.body.writeString(index == 0 ? "\"\(name)\":" : ",\"\(name)\":")
                try writeInstances(of: name, filter, snapshot, to: &reply.body)
            }
            reply.body.writeStaticString("}")
            return reply
        }
    }

    /// 404 with the nearest names there are.
    func unknownService(_ name: String) -> ProblemDetails {
        var known: [String] = []
        // Without names there is still an answer.
        try? registry.view.read { snapshot in
            try snapshot.forEachService(after: nil, limit: RequestLimits.listedServices) {
                known.append($0.name.description)
            }
        }
        return .unknownService(name, among: known)
    }

    private func writeInstances(
        of name: ServiceName,
        _ filter: InstanceFilter,
        _ snapshot: borrowing ViewSnapshot,
        to body: inout ByteBuffer
    ) throws {
        body.writeStaticString("[")
        var isFirst = true
        _ = try snapshot.forEachFragment(of: name, matching: filter) { fragment in
            if !isFirst { body.writeStaticString(",") }
            isFirst = false
            body.writeBytes(fragment)
        }
        body.writeStaticString("]")
    }
}

import Hummingbird
import MaterializedView
import Registry
import RegistryModel

extension RegistryRoutes {
    func addGuard(to router: Router<Context>) {
        on(router, .get, "/v1/guard") { _ in try guardReply() }
        on(router, .post, "/v1/guard") { request in
            var word: GuardOverride?
            try RequestBody.parse(try await request.body()) { (reader) throws(RegistryModelError) in
                try reader.object { (reader, key) throws(RegistryModelError) in
                    guard key == "action" else { throw Registration.unknownMember(key, among: ["action"]) }
                    switch try reader.string() {
                    case "release": word = .release
                    case "hold": word = .hold
                    default: throw RegistryModelError(.invalidField, "action is release or hold")
                    }
                }
            }
            guard let word else { throw RegistryModelError(.missingField, "action is missing: release or hold") }
            _ = try await request.submit(.overrideGuard(word), to: registry)
            return try guardReply()
        }
    }

    private func guardReply() throws -> Reply {
        try registry.view.read { (snapshot) throws -> Reply in
            var json = JSONWriter()
            Self.write(try snapshot.registry.protection, to: &json)
            var reply = Reply(json: json)
            reply.noteSequence(snapshot.sequence)
            return reply
        }
    }

    static func write(_ protection: RegistryRecord.Protection?, to json: inout JSONWriter) {
        json.beginObject()
        json.member("active", protection != nil)
        if let protection {
            json.member("held", protection.isHeld)
            json.member("since", protection.since)
            json.member("expected", protection.report.expected)
            json.member("seen", protection.report.seen)
            json.member("why", protection.report.why)
        }
        json.endObject()
    }
}

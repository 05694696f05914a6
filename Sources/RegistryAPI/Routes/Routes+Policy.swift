import Hummingbird
import MaterializedView
import NIOCore
import Registry
import RegistryModel

extension RegistryRoutes {
    func addPolicies(to router: Router<Context>) {
        let path = "/v1/services/:service/policy"
        on(router, .get, path) { request in
            let name = try request.service()
            let found = try registry.view.read { snapshot in
                (try snapshot.service(name), snapshot.sequence)
            }
            guard let service = found.0 else {
                throw LookupDocument(registry: registry).unknownService(name.description)
            }
            return ReplyDocuments.policy(name, service.policy, sequence: found.1)
        }
        on(router, .put, path) { request in
            let name = try request.service()
            let policy = try RequestBody.policy(try await request.body())
            let outcome = try await request.submit(.setPolicy(name, policy), to: registry)
            return ReplyDocuments.policy(name, policy, sequence: outcome.sequence)
        }
        on(router, .delete, path) { request in
            let name = try request.service()
            let outcome = try await request.submit(.removePolicy(name), to: registry)
            return ReplyDocuments.policy(name, nil, sequence: outcome.sequence)
        }
    }

    func addExternals(to router: Router<Context>) {
        on(router, .post, "/v1/external") { request in
            let instance = try Self.external(try await request.body())
            let outcome = try await request.submit(.addExternal(instance), to: registry)
            return ReplyDocuments.external(instance, outcome)
        }
    }

    private static func external(_ body: ByteBuffer) throws(RegistryModelError) -> Instance {
        var name: String?
        var text: String?
        try RequestBody.parse(body) { (reader) throws(RegistryModelError) in
            try reader.object { (reader, key) throws(RegistryModelError) in
                switch key {
                case "name": name = try reader.string()
                case "url": text = try reader.string()
                default: throw Registration.unknownMember(key, among: ["name", "url"])
                }
            }
        }
        guard let text else { throw RegistryModelError(.missingField, "url is missing") }
        let url = try ExternalURL(text)
        let service = try ServiceName(name ?? url.derivedName)
        let id = try InstanceID("\(url.host.filter { $0 != ":" })-\(url.port)")
        var instance = Instance(
            key: InstanceKey(service: service, id: id),
            endpoint: try Endpoint(host: url.host, port: url.port)
        )
        instance.externalURL = url.text
        instance.lease = .permanent
        return instance
    }
}

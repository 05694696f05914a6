import Hummingbird
import MaterializedView
import NIOCore
import Registry
import RegistryModel

extension RegistryRoutes {
    func addInstances(to router: Router<Context>) {
        let path = "/v1/services/:service/instances/:id"
        on(router, .get, path) { request in try instance(try request.instanceKey()) }
        on(router, .delete, path, for: .owners) { request in
            let command = Command.deregister(try request.instanceKey(), ifMatch: try request.ifMatch())
            return ReplyDocuments.deregistered(try await request.submit(command, to: registry))
        }
        on(router, .post, path + "/drain", for: .owners) { request in
            let key = try request.instanceKey()
            let command = Command.drain(key, ifMatch: try request.ifMatch())
            return ReplyDocuments.health(key, try await request.submit(command, to: registry))
        }
        on(router, .post, path + "/observers", for: .owners) { request in
            let key = try request.instanceKey()
            let observer = try ObserverRequestBody(try await request.body())
            let command = Command.observe(
                key,
                serial: observer.serial,
                target: observer.target,
                at: registry.now().time
            )
            return ReplyDocuments.done(try await request.submit(command, to: registry))
        }
    }

    /// The instance's own JSON, with how long ago it last beat.
    private func instance(_ key: InstanceKey) throws -> Reply {
        let lastBeat = registry.silence(of: key)
        let reply = try registry.view.read { (snapshot) throws -> Reply? in
            guard let state = try snapshot.state(of: key) else {
                guard try snapshot.service(key.service) == nil else {
                    throw RegistryError(.unknownInstance, "\(key.service) has no instance \(key.id)")
                }
                return nil
            }
            var reply = Reply()
            _ = try snapshot.withFragment(of: key) { fragment in
                guard let lastBeat else { return reply.body.writeBytes(fragment) }
                // The fragment is one object: a member more goes in front of its closing brace.
                reply.body.writeBytes(UnsafeRawBufferPointer(rebasing: fragment.dropLast()))
                return reply.body.writeString(",\"lastBeatMs\":\(lastBeat.milliseconds)}")
            }
            reply.headers.append(("etag", "\"\(registry.epoch)-\(state.handle)\""))
            reply.noteSequence(snapshot.sequence)
            return reply
        }
        guard let reply else { throw LookupDocument(registry: registry).unknownService(key.service.description) }
        return reply
    }
}

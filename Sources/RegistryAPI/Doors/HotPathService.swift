import NIOCore
import Registry
import RegistryModel

/// Carries out the hot requests, whatever connection they came by.
struct HotPathService: Sendable {
    /// Registrations of one submission: larger arrays go in several, so that no batch grows beyond its bound.
    private static let registrationsAtOnce = 500

    struct Request: Sendable {
        var route: HotRoute
        var body: ByteBuffer
        var ifNoneMatch: String?
        var requestID: String
        var peer: Peer
    }

    let registry: ServiceRegistry
    /// Where every request of the doors is counted, hot or not; nil: nobody wants to know.
    let activity: RequestActivity?
    let ownership: Ownership

    var sequence: SequenceNumber {
        registry.sequence
    }

    /// - Parameter completion: called once, at once or later from another thread.
    func answer(_ request: Request, _ completion: @escaping @Sendable (Reply) -> Void) {
        do {
            switch request.route {
            case .lookup(let name, let query):
                completion(
                    try LookupDocument(registry: registry)
                        .reply(service: name, filter: query.filter, ifNoneMatch: request.ifNoneMatch)
                )
            case .register(let key): try register(key, request, completion)
            case .registerMany: try registerMany(request, completion)
            case .heartbeats: try heartbeats(request, completion)
            }
        } catch {
            completion(failure(error))
        }
    }

    private func register(
        _ key: InstanceKey,
        _ request: Request,
        _ completion: @escaping @Sendable (Reply) -> Void
    ) throws {
        let command = try ownership.bind(try RequestBody.registration(request.body, key: key), to: request.peer)
        registry.submit([command], actor: request.peer.actor, requestID: request.requestID) { results in
            switch results.first {
            case .success(let outcome)?:
                completion(
                    ReplyDocuments.registered(key, outcome, epoch: registry.epoch, time: registry.now().time)
                )
            case .failure(let error)?: completion(failure(error))
            case nil: completion(failure(RegistryError(.stopping, "the registry is stopping")))
            }
        }
    }

    private func registerMany(_ request: Request, _ completion: @escaping @Sendable (Reply) -> Void) throws {
        let parsed = try RequestBody.registrations(request.body)
        let commands = try parsed.compactMap { try? $0.get() }.map { try ownership.bind($0, to: request.peer) }
        submit(commands[...], request, []) { outcomes in
            completion(ReplyDocuments.bulk(parsed, outcomes, sequence: registry.sequence))
        }
    }

    /// One submission after another, so that the results come back in order.
    private func submit(
        _ commands: ArraySlice<Command>,
        _ request: Request,
        _ done: [Result<CommandOutcome, RegistryError>],
        _ completion: @escaping @Sendable ([Result<CommandOutcome, RegistryError>]) -> Void
    ) {
        guard !commands.isEmpty else { return completion(done) }
        let now = Array(commands.prefix(Self.registrationsAtOnce))
        registry.submit(now, actor: request.peer.actor, requestID: request.requestID) { results in
            submit(commands.dropFirst(now.count), request, done + results, completion)
        }
    }

    private func heartbeats(_ request: Request, _ completion: @escaping @Sendable (Reply) -> Void) throws {
        let heartbeats = try RequestBody.heartbeats(request.body)
        try ownership.check(heartbeats, of: request.peer, in: registry)
        registry.heartbeat(heartbeats, actor: request.peer.actor, requestID: request.requestID) { summary, error in
            if let error { return completion(failure(error)) }
            completion(
                ReplyDocuments.heartbeats(
                    summary,
                    sequence: registry.sequence,
                    isProtecting: registry.isProtecting
                )
            )
        }
    }

    private func failure(_ error: any Error) -> Reply {
        var reply = Reply(ProblemDetails(error))
        reply.noteSequence(registry.sequence)
        return reply
    }
}

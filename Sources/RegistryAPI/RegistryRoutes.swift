import HTTPTypes
import Hummingbird
import NIOCore
import Registry
import RegistryModel

/// The API of one door: every resource that is not on the hot path.
struct RegistryRoutes: Sendable {
    typealias Context = RegistryContext

    let registry: ServiceRegistry
    let authority: RegistryAuthority
    let connections: Connections
    let door: Door
    let readiness: Readiness
    let rejoinWindow: Duration

    /// Methods by path, for 405 and its `Allow`.
    static func responder(
        registry: ServiceRegistry,
        authority: RegistryAuthority,
        connections: Connections,
        door: Door,
        readiness: Readiness,
        rejoinWindow: Duration
    ) -> some HTTPResponder<Context> {
        let routes = RegistryRoutes(
            registry: registry,
            authority: authority,
            connections: connections,
            door: door,
            readiness: readiness,
            rejoinWindow: rejoinWindow
        )
        let router = Router(context: Context.self, options: .autoGenerateHeadEndpoints)
        routes.addOperations(to: router)
        if door != .metrics {
            routes.addServices(to: router)
            routes.addInstances(to: router)
            routes.addPolicies(to: router)
            routes.addExternals(to: router)
            routes.addGuard(to: router)
            routes.addStatus(to: router)
            routes.addWatch(to: router)
            routes.addTrustBundle(to: router)
            routes.addCheckpoint(to: router)
            routes.addHistory(to: router)
        }
        if door == .operators || door == .tls {
            routes.addCertificates(to: router)
            routes.addAuthority(to: router)
            routes.addTokens(to: router)
            routes.addIdentity(to: router)
            routes.addSnapshots(to: router)
            routes.addLog(to: router)
        }
        let responder = router.buildResponder()
        return CallbackResponder<Context> { request, context in
            do {
                let response = try await responder.respond(to: request, context: context)
                // The router's own word for "no route" has no body; ours always has one.
                let isUnrouted = response.status == .notFound && response.headers[.contentType] == nil
                return isUnrouted ? routes.unrouted(request).response : response
            } catch {
                return routes.failure(error).response
            }
        }
    }

    /// Adds a route whose answer is a value; errors become problems in one place.
    ///
    /// - Parameter access: who may; left out, members read and operators write.
    func on(
        _ router: Router<Context>,
        _ method: HTTPRequest.Method,
        _ path: String,
        parameters: [String] = [],
        for access: Access? = nil,
        _ handle: @escaping @Sendable (RoutedRequest) async throws -> Reply
    ) {
        router.on(RouterPath(path), method: method) { request, context in
            do {
                let routed = RoutedRequest(request, from: peer(context), parameters: context.parameters)
                try (access ?? (method == .get ? .members : .operators)).check(routed.peer, at: door)
                try routed.target.checkParameters(parameters)
                return try await handle(routed).response
            } catch {
                return failure(error).response
            }
        }
    }

    func peer(_ context: Context) -> Peer {
        connections.peer(of: context.channel) ?? .nobody()
    }

    func failure(_ error: any Error) -> Reply {
        var problem = ProblemDetails(error)
        if let name = (error as? RegistryError)?.missingService {
            problem = LookupDocument(registry: registry).unknownService(name.description)
        }
        var reply = Reply(problem)
        reply.noteSequence(registry.sequence)
        return reply
    }

    /// No route: the path is unknown, or has other methods.
    private func unrouted(_ request: Request) -> Reply {
        let known: [(shape: [String], methods: String)] = [
            (["v1", "services"], "GET"), (["v1", "registry"], "GET"), (["v1", "services", "*"], "GET, DELETE"),
            (["v1", "services", "*", "instances", "*"], "GET, PUT, DELETE"),
            (["v1", "services", "*", "instances", "*", "drain"], "POST"),
            (["v1", "services", "*", "policy"], "GET, PUT, DELETE"), (["v1", "instances"], "POST"),
            (["v1", "heartbeats"], "POST"), (["v1", "external"], "POST"), (["v1", "guard"], "GET, POST"),
            (["v1", "status"], "GET"), (["v1", "watch"], "GET"), (["v1", "targets"], "GET"),
            (["v1", "trust-bundle"], "GET"), (["v1", "authority", "rotate"], "POST"),
            (["v1", "authority", "install"], "POST"), (["v1", "certificates"], "GET, POST"),
            (["v1", "services", "*", "history"], "GET"), (["v1", "log"], "GET"), (["v1", "log", "*"], "GET"),
            (["v1", "snapshots"], "GET, POST"), (["v1", "checkpoint"], "GET, POST"),
            (["v1", "checkpoint", "key"], "GET, POST"),
            (["v1", "certificates", "deny"], "POST"), (["v1", "certificates", "*"], "DELETE"),
            (["v1", "tokens"], "GET, POST"), (["v1", "whoami"], "GET"), (["v1", "tokens", "*"], "DELETE"),
        ]
        let path = RequestTarget(request.uri.path)?.path ?? []
        let match = known.first { shape, _ in
            shape.count == path.count && zip(shape, path).allSatisfy { $0 == "*" || $0 == $1 }
        }
        guard door != .metrics, let match else { return failure(ProblemDetails.unknownPath(request.uri.path)) }
        return failure(ProblemDetails.methodNotAllowed(request.method.rawValue, allow: match.methods))
    }
}

/// What the router knows of a request: the connection that it came by.
struct RegistryContext: RequestContext {
    var coreContext: CoreRequestContextStorage
    let channel: any Channel

    init(source: ApplicationRequestContextSource) {
        coreContext = .init(source: source)
        channel = source.channel
    }
}

/// A request as routes see it.
struct RoutedRequest: Sendable {
    let request: Request
    let target: RequestTarget
    var peer: Peer
    private let parameters: Parameters

    init(_ request: Request, from peer: Peer, parameters: Parameters = Parameters()) {
        self.request = request
        self.peer = peer
        self.parameters = parameters
        // A query that can't be decoded names nothing that is known.
        self.target = RequestTarget(request.uri.string) ?? RequestTarget(path: [], query: [("%", "")])
    }

    func header(_ name: String) -> String? {
        HTTPField.Name(name).flatMap { request.headers[$0] }
    }

    func service() throws -> ServiceName {
        try ServiceName(parameters.get("service") ?? "")
    }

    func instanceKey() throws -> InstanceKey {
        let id = target.path.count > 4 ? target.path[4] : ""
        return InstanceKey(service: try service(), id: try InstanceID(id))
    }

    func ifMatch() throws -> IncarnationTag? {
        guard let text = header("if-match"), text != "*" else { return nil }
        guard let tag = IncarnationTag(text) else {
            throw ProblemDetails.badRequest("If-Match \(text.prefix(60)) is no ETag of this API")
        }
        return tag
    }

    func body() async throws -> ByteBuffer {
        do {
            return try await request.body.collect(upTo: RequestLimits.bodyBytes)
        } catch is NIOTooManyBytesError {
            throw ProblemDetails.bodyTooLarge
        }
    }

    /// Carries out a command in the name of the connection's peer.
    func submit(_ command: Command, to registry: ServiceRegistry) async throws -> CommandOutcome {
        try await registry.submit(
            try Ownership().bind(command, to: peer),
            actor: peer.actor,
            requestID: RequestLimits.requestID(header("x-request-id"))
        )
    }
}

extension RequestTarget {
    init(path: [String], query: [(name: String, value: String)]) {
        self.path = path
        self.query = query
    }
}

extension HTTPField.Name {
    static var hmsSequence: Self {
        // The name is a constant of ours and a valid one.
        Self("x-hms-sequence") ?? .eTag
    }
}

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
    let followers: LogFollowers
    let door: Door
    let readiness: Readiness
    let rejoinWindow: Duration

    static func responder(
        registry: ServiceRegistry,
        authority: RegistryAuthority,
        connections: Connections,
        followers: LogFollowers,
        door: Door,
        readiness: Readiness,
        rejoinWindow: Duration
    ) -> some HTTPResponder<Context> {
        let routes = RegistryRoutes(
            registry: registry,
            authority: authority,
            connections: connections,
            followers: followers,
            door: door,
            readiness: readiness,
            rejoinWindow: rejoinWindow
        )
        let router = routes.router()
        let table = routes.table(of: router)
        let responder = router.buildResponder()
        return CallbackResponder<Context> { request, context in
            do {
                let response = try await responder.respond(to: request, context: context)
                // The router's own word for "no route" has no body; ours always has one.
                let isUnrouted = response.status == .notFound && response.headers[.contentType] == nil
                return isUnrouted ? routes.unrouted(request, table).response : response
            } catch {
                return routes.failure(error).response
            }
        }
    }

    func router() -> Router<Context> {
        let router = Router(context: Context.self, options: .autoGenerateHeadEndpoints)
        addOperations(to: router)
        if door != .metrics {
            addServices(to: router)
            addInstances(to: router)
            addPolicies(to: router)
            addExternals(to: router)
            addGuard(to: router)
            addStatus(to: router)
            addWatch(to: router)
            addDescription(to: router)
            addTrustBundle(to: router)
            addCheckpoint(to: router)
            addHistory(to: router)
        }
        if door == .operators || door == .tls {
            addCertificates(to: router)
            addAuthority(to: router)
            addTokens(to: router)
            addIdentity(to: router)
            addSnapshots(to: router)
            addLog(to: router)
        }
        return router
    }

    /// All that this door has, what is answered before the router included.
    func table(of router: Router<Context>) -> RouteTable {
        var table = RouteTable(router.routes.map { ($0.method, $0.path.description) })
        if door != .metrics {
            for (method, path) in HotRoute.paths { table.add(method.rawValue, path) }
        }
        return table
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
        onStream(router, method, path, parameters: parameters, for: access) { try await handle($0).response }
    }

    /// The same for an answer that may go on and on.
    func onStream(
        _ router: Router<Context>,
        _ method: HTTPRequest.Method,
        _ path: String,
        parameters: [String] = [],
        for access: Access? = nil,
        _ handle: @escaping @Sendable (RoutedRequest) async throws -> Response
    ) {
        router.on(RouterPath(path), method: method) { request, context in
            do {
                let routed = RoutedRequest(request, from: peer(context), parameters: context.parameters)
                try (access ?? (method == .get ? .members : .operators)).check(routed.peer, at: door)
                try routed.target.checkParameters(parameters)
                return try await handle(routed)
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
    private func unrouted(_ request: Request, _ table: RouteTable) -> Reply {
        let path = RequestTarget(request.uri.path)?.path ?? []
        guard let allowed = table.allowed(at: path) else {
            return failure(ProblemDetails.unknownPath(request.uri.path))
        }
        return failure(ProblemDetails.methodNotAllowed(request.method.rawValue, allow: allowed))
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

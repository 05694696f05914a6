import Identity
import NIOCore
import NIOPosix
import RegistryModel

/// Takes the application's calls: plain HTTP/1.1 or HTTP/2 (by its preface) on loopback or a Unix socket.
struct OutboundListener: Sendable {
    private let channel: any Channel
    /// `127.0.0.1:41877`, or `unix:PATH`: what the application gets as `HMS_MESH_ADDR`.
    let address: String

    enum Place: Sendable, Equatable {
        case tcp(host: String, port: Int)
        case unix(path: String)
    }

    /// - Throws: where the address is taken or can't be had.
    static func start(_ place: Place, loops: SidecarLoops) async throws -> OutboundListener {
        let bootstrap = ServerBootstrap.ofCalls(loops.group)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    let plane = try loops.state(of: channel.eventLoop).data
                    if case .tcp = place { try channel.syncOptions?.setOption(.tcpOption(.tcp_nodelay), value: 1) }
                    try channel.pipeline.syncOperations.addHandler(
                        ProtocolDetector(plane: plane, resolver: loops.resolver.at(channel), fixedAuthority: nil)
                    )
                }
            }
        switch place {
        case .tcp(let host, let port):
            let channel = try await bootstrap.serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
                .bind(host: host, port: port).get()
            guard let local = channel.localAddress, let bound = local.port else {
                throw ChannelError.unknownLocalAddress
            }
            return OutboundListener(
                channel: channel,
                address: host.contains(":") ? "[\(host)]:\(bound)" : "\(host):\(bound)"
            )
        case .unix(let path):
            let channel = try await bootstrap.bind(unixDomainSocketPath: path, cleanupExistingSocketFile: true).get()
            return OutboundListener(channel: channel, address: "unix:\(path)")
        }
    }

    func close() async {
        try? await channel.close()
    }
}

/// Looks at a connection's first bytes: HTTP/2's preface (RFC 9113 §3.4), or HTTP/1.
final class ProtocolDetector: ChannelInboundHandler, RemovableChannelHandler {
    typealias InboundIn = ByteBuffer

    private static let preface: StaticString = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

    private let plane: DataPlane
    private let resolver: OutboundResolver
    /// Of the `CONNECT` that this connection began with.
    private let fixedAuthority: String?
    private var seen = ByteBuffer()

    init(plane: DataPlane, resolver: OutboundResolver, fixedAuthority: String?) {
        self.plane = plane
        self.resolver = resolver
        self.fixedAuthority = fixedAuthority
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        var bytes = unwrapInboundIn(data)
        seen.writeBuffer(&bytes)
        let isHTTP2 = seen.withUnsafeReadableBytes { seen -> Bool? in
            let length = Self.preface.utf8CodeUnitCount
            for index in 0..<min(seen.count, length) where seen[index] != Self.preface.utf8Start[index] { return false }
            return seen.count >= length ? true : nil
        }
        guard let isHTTP2 else { return }
        // 0x16: a TLS record. Whoever sends one here means a server that this proxy is not.
        if seen.getInteger(at: seen.readerIndex, as: UInt8.self) == 0x16 { return context.close(promise: nil) }
        do {
            if isHTTP2 { try speakHTTP2(context) } else { try speakHTTP1(context) }
        } catch {
            return context.close(promise: nil)
        }
        context.fireChannelRead(NIOAny(seen))
        context.fireChannelReadComplete()
        context.pipeline.syncOperations.removeHandler(context: context, promise: nil)
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if let event = event as? ChannelEvent, event == .inputClosed { return context.close(promise: nil) }
        context.fireUserInboundEventTriggered(event)
    }

    private func speakHTTP1(_ context: ChannelHandlerContext) throws {
        let handler = HTTP1ServerHandler { [plane, resolver, fixedAuthority] head, writer in
            if head.isConnect, fixedAuthority == nil { return resolver.connect(head, writer, plane) }
            return resolver.begin(head, writer, plane, fixedAuthority)
        }
        try context.pipeline.syncOperations.addHandler(handler)
    }

    private func speakHTTP2(_ context: ChannelHandlerContext) throws {
        try HTTP2Pipeline.serve(context.channel) { [plane, resolver, fixedAuthority] head, writer in
            resolver.begin(head, writer, plane, fixedAuthority)
        }
    }
}

/// From a request to its call.
struct OutboundResolver: Sendable {
    let targets: TargetResolver
    private var listener = "localhost"

    init(targets: TargetResolver) {
        self.targets = targets
    }

    /// For what comes in on this channel.
    func at(_ channel: any Channel) -> OutboundResolver {
        var here = self
        if let address = channel.localAddress, let host = address.ipAddress, let port = address.port {
            here.listener = host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)"
        }
        return here
    }

    func begin(
        _ head: RequestHead,
        _ writer: any ResponseWriter,
        _ plane: DataPlane,
        _ fixedAuthority: String?
    ) -> (any RequestSink)? {
        let now = NIODeadline.now()
        switch resolve(head, plane, fixedAuthority) {
        case .service(let service, let target):
            let call = OutboundCall(
                plane: plane,
                entry: plane.entry(of: service, now: now),
                head: head,
                target: target,
                writer: writer,
                now: now
            )
            call.start()
            return call
        case .egress(let host, let port, let target):
            guard isAllowed(host, port, plane.settings.egress) else {
                let error = MeshError(
                    .egressDenied,
                    "\(host):\(port) is outside of the mesh, and mesh.egress does not list it",
                    hint: "a service's name has no dot; others: mesh.egress: [\(host)]"
                )
                refuse(head, error, to: host, path: head.path(target), writer, plane, now)
                return nil
            }
            let (trace, span) = plane.trace(head)
            let terms = EgressCall(data: plane, host: host, trace: trace, span: span)
            let call = Passage(
                terms,
                over: plane.pool(for: .external(host: host, port: port, tls: false)),
                head: head,
                target: target,
                writer: writer,
                timeout: terms.timeout,
                now: now
            )
            call.start(http2: false, freshness: ConnectionPool.surelyOpen)
            return call
        case .unclear(let why):
            let error = MeshError(.badRequest, "whom this request is for can't be told: \(why)")
            refuse(head, error, to: "-", path: head.block.text(head.target), writer, plane, now)
            return nil
        }
    }

    /// Answers what goes nowhere, and tells of it.
    private func refuse(
        _ head: RequestHead,
        _ error: MeshError,
        to name: String,
        path: String,
        _ writer: any ResponseWriter,
        _ plane: DataPlane,
        _ now: NIODeadline
    ) {
        error.write(to: writer, isGRPC: head.isGRPC)
        let (trace, span) = plane.trace(head)
        plane.note(
            AccessRecord(
                direction: .outbound,
                time: plane.now(),
                from: plane.settings.caller,
                to: name,
                method: head.block.text(head.method),
                path: plane.settings.paths.show(path),
                status: error.code.status,
                error: error.code.description,
                hint: error.message,
                tries: [],
                mostTries: 1,
                received: 0,
                sent: 0,
                took: .now() - now,
                body: nil,
                timeout: .zero,
                traceID: trace.traceID,
                span: span.map { SpanPlace(own: $0, parent: trace.parentSpan) },
                isMutualTLS: false,
                isTLS: false
            )
        )
    }

    /// An origin form whose authority is known needs no second look.
    private func resolve(_ head: RequestHead, _ plane: DataPlane, _ fixedAuthority: String?) -> CallTarget {
        guard fixedAuthority == nil, head.block.hasPrefix(head.target, "/"),
            let authority = head.authority.map(head.block.text) ?? head.block.value(.host)
        else { return targets.resolve(head, listener: listener, fixedAuthority: fixedAuthority) }
        if let service = plane.service(named: authority) { return .service(service, RequestTarget(path: head.target)) }
        let target = targets.resolve(head, listener: listener)
        // Where the listener itself is named, another field says which service is meant.
        if case .service(let service, let request) = target, request.authority == nil {
            plane.note(authority, names: service)
        }
        return target
    }

    /// `CONNECT label:port`: a call whose protocol the bytes inside tell.
    func connect(_ head: RequestHead, _ writer: HTTP1ServerHandler, _ plane: DataPlane) -> (any RequestSink)? {
        let authority = head.block.text(head.target)
        guard case .service = targets.resolve(head, listener: listener), let channel = writer.channel else {
            MeshError(
                .egressDenied,
                "CONNECT \(authority): only services of the mesh can be reached through CONNECT",
                hint: "no_proxy keeps other hosts away from the sidecar"
            ).write(to: writer)
            return nil
        }
        do {
            let detector = ProtocolDetector(plane: plane, resolver: self, fixedAuthority: authority)
            try channel.pipeline.syncOperations.addHandler(detector)
            try writer.giveWay()
        } catch {
            writer.close()
        }
        return nil
    }

    /// Link-local addresses lead to a cloud's metadata service, which no proxy should open.
    private func isAllowed(_ host: String, _ port: Int, _ rules: [EgressRule]?) -> Bool {
        if host.hasPrefix("169.254.") || host.lowercased().hasPrefix("fe80:") { return false }
        guard let rules else { return true }
        return rules.contains { $0.allows(host: host, port: port) }
    }
}

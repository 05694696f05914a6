import NIOCore
import NIOHTTP1
import Registry
import RegistryModel

/// Answers look-ups, registrations and heartbeats on the event loop, in front of the router: a task and a router for
/// each would cost more than the answer itself. Everything else goes on to the router untouched.
///
/// Requests of a connection are answered in order: while one is being answered, the parts of the next wait here, and
/// reading stops when there are many.
final class HotPathHandler: ChannelDuplexHandler, RemovableChannelHandler {
    typealias InboundIn = HTTPServerRequestPart
    typealias InboundOut = HTTPServerRequestPart
    typealias OutboundIn = HTTPServerResponsePart
    typealias OutboundOut = HTTPServerResponsePart

    private static let waitingParts = 32

    private enum State {
        case idle
        /// A hot request's body is coming in.
        case receiving(HotRoute, HTTPRequestHead, ByteBuffer)
        /// Too large, or refused: answered, the rest of the body is passed over.
        case discarding
        /// A hot request is being carried out.
        case answering
        /// The router has a request.
        case routed
    }

    private let service: HotPathService
    private let door: Door
    private var peer: Peer
    private var state = State.idle
    private var waiting: [HTTPServerRequestPart] = []
    private var isReadSuspended = false
    private var quiesceEvent: ChannelShouldQuiesceEvent?
    private var isDraining = false

    /// - Parameter peer: who is there; with TLS the end of the handshake tells, by an event.
    init(service: HotPathService, door: Door, peer: Peer) {
        self.service = service
        self.door = door
        self.peer = peer
    }

    // MARK: In

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let part = unwrapInboundIn(data)
        guard waiting.isEmpty, canTake(part) else {
            waiting.append(part)
            return
        }
        take(part, context)
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        context.fireChannelReadComplete()
    }

    /// Parts of a request whose predecessor is not answered yet must wait.
    private func canTake(_ part: HTTPServerRequestPart) -> Bool {
        switch (state, part) {
        case (.answering, _), (.routed, .head): false
        default: true
        }
    }

    private func take(_ part: HTTPServerRequestPart, _ context: ChannelHandlerContext) {
        switch (state, part) {
        case (.idle, .head(let head)): begin(head, context)
        case (.receiving(let route, let head, var body), .body(let bytes)):
            state = .discarding
            guard body.readableBytes + bytes.readableBytes <= RequestLimits.bodyBytes else {
                return refuse(.bodyTooLarge, head, context)
            }
            body.writeImmutableBuffer(bytes)
            state = .receiving(route, head, body)
        case (.receiving(let route, let head, let body), .end):
            state = .answering
            answer(route, head, body, context)
        case (.discarding, .end): finish(context)
        case (.discarding, _): break
        default: context.fireChannelRead(wrapInboundOut(part))
        }
    }

    private func begin(_ head: HTTPRequestHead, _ context: ChannelHandlerContext) {
        if door != .metrics { service.activity?.note() }
        do {
            guard door != .metrics, let route = try HotRoute(head) else { return pass(head, context) }
            try (route.isWrite ? Access.owners : .members).check(peer, at: door)
            if head.headers.first(name: "expect")?.lowercased() == "100-continue" {
                write(.head(HTTPResponseHead(version: head.version, status: .continue)), context)
                context.flush()
            }
            state = .receiving(route, head, context.channel.allocator.buffer(capacity: 0))
        } catch {
            state = .discarding
            refuse(ProblemDetails(error), head, context)
        }
    }

    private func pass(_ head: HTTPRequestHead, _ context: ChannelHandlerContext) {
        state = .routed
        context.fireChannelRead(wrapInboundOut(.head(head)))
    }

    // MARK: Answers

    private func answer(
        _ route: HotRoute,
        _ head: HTTPRequestHead,
        _ body: ByteBuffer,
        _ context: ChannelHandlerContext
    ) {
        let version = head.version
        let keepAlive = head.isKeepAlive
        let loop = context.eventLoop
        let bound = NIOLoopBound((handler: self, context: context), eventLoop: loop)
        let request = HotPathService.Request(
            route: route,
            body: body,
            ifNoneMatch: head.headers.first(name: "if-none-match"),
            requestID: RequestLimits.requestID(head.headers.first(name: "x-request-id")),
            peer: peer
        )
        service.answer(request) { reply in
            let deliver: @Sendable () -> Void = {
                let (handler, context) = bound.value
                handler.send(reply, version, keepAlive, context)
                handler.finish(context)
            }
            if loop.inEventLoop { deliver() } else { loop.execute(deliver) }
        }
    }

    private func refuse(_ problem: ProblemDetails, _ head: HTTPRequestHead, _ context: ChannelHandlerContext) {
        var reply = Reply(problem)
        reply.noteSequence(service.sequence)
        send(reply, head.version, head.isKeepAlive, context)
    }

    private func send(
        _ reply: Reply,
        _ version: HTTPVersion,
        _ keepAlive: Bool,
        _ context: ChannelHandlerContext
    ) {
        guard context.channel.isActive else { return }
        let keepAlive = keepAlive && quiesceEvent == nil
        write(.head(reply.head(version: version, keepAlive: keepAlive)), context)
        if reply.status != 304, reply.body.readableBytes > 0 { write(.body(.byteBuffer(reply.body)), context) }
        context.writeAndFlush(wrapOutboundOut(.end(nil)), promise: nil)
        if !keepAlive { context.close(promise: nil) }
    }

    private func write(_ part: HTTPServerResponsePart, _ context: ChannelHandlerContext) {
        context.write(wrapOutboundOut(part), promise: nil)
    }

    /// The request is answered: on to the next.
    private func finish(_ context: ChannelHandlerContext) {
        state = .idle
        guard !isDraining else { return }
        isDraining = true
        while let part = waiting.first, canTake(part) {
            waiting.removeFirst()
            take(part, context)
        }
        isDraining = false
        if case .idle = state, let event = quiesceEvent {
            quiesceEvent = nil
            context.fireUserInboundEventTriggered(event)
        }
        if isReadSuspended, waiting.count < Self.waitingParts {
            isReadSuspended = false
            context.read()
        }
    }

    // MARK: Out

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        let part = unwrapOutboundIn(data)
        context.write(data, promise: promise)
        if case .routed = state, case .end = part { finish(context) }
    }

    func read(context: ChannelHandlerContext) {
        if waiting.count >= Self.waitingParts {
            isReadSuspended = true
        } else {
            context.read()
        }
    }

    /// A stop: what is being answered is answered first.
    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        switch (event, state) {
        case (let peer as Peer, _): self.peer = peer
        case (let event as ChannelShouldQuiesceEvent, .receiving), (let event as ChannelShouldQuiesceEvent, .answering),
            (let event as ChannelShouldQuiesceEvent, .discarding):
            quiesceEvent = event
        default: context.fireUserInboundEventTriggered(event)
        }
    }
}

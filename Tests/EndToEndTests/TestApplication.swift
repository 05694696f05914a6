import NIOCore
import NIOHTTP1
import NIOPosix
import Synchronization

/// An application beside a sidecar, within the test's own process; it behaves as the test says, and remembers what it
/// was asked.
final class TestApplication: Sendable {
    enum Behavior: Sendable {
        /// 200 and the application's name.
        case answer
        case answerAfter(TimeAmount)
        /// 200 and the request's body, chunked where that was.
        case echo
        case refuse(status: Int)
        /// No answer, for ever.
        case hang
        /// A reset connection instead of an answer.
        case reset
        /// A head that promises more bytes than ever come; then a reset.
        case resetAfterHead
        /// A head and then a few bytes, again and again.
        case endless
    }

    struct Received: Sendable {
        var method: String
        var path: String
        var headers: [(name: String, value: String)]
        var body: [UInt8]

        var bodyBytes: Int { body.count }

        func values(_ name: String) -> [String] {
            headers.filter { $0.name.lowercased() == name }.map(\.value)
        }
    }

    private struct State {
        var behavior: Behavior
        /// For the first requests, in their order; then comes ``behavior``.
        var first: [Behavior] = []
        var received: [Received] = []
        var connections: [ObjectIdentifier: any Channel] = [:]
    }

    let name: String
    let port: Int
    private let listener: any Channel
    private let state: StateBox

    fileprivate final class StateBox: Sendable {
        private let state: Mutex<State>

        init(_ behavior: Behavior) {
            state = Mutex(State(behavior: behavior))
        }

        var received: [Received] { state.withLock { $0.received } }

        func set(_ behavior: Behavior, first: [Behavior]) {
            state.withLock {
                $0.behavior = behavior
                $0.first = first
            }
        }

        func behavior(for request: Received) -> Behavior {
            state.withLock {
                $0.received.append(request)
                return $0.first.isEmpty ? $0.behavior : $0.first.removeFirst()
            }
        }

        func opened(_ channel: any Channel) {
            state.withLock { $0.connections[ObjectIdentifier(channel)] = channel }
        }

        func closed(_ channel: any Channel) {
            state.withLock { $0.connections[ObjectIdentifier(channel)] = nil }
        }

        func takeConnections() -> [any Channel] {
            state.withLock { state in
                defer { state.connections = [:] }
                return Array(state.connections.values)
            }
        }
    }

    private init(name: String, listener: any Channel, port: Int, state: StateBox) {
        self.name = name
        self.listener = listener
        self.port = port
        self.state = state
    }

    static func start(_ name: String, _ behavior: Behavior = .answer) async throws -> TestApplication {
        let state = StateBox(behavior)
        let listener = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .serverChannelOption(.backlog, value: 256)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.configureHTTPServerPipeline()
                    try channel.pipeline.syncOperations.addHandler(ApplicationHandler(name: name, state: state))
                }
            }
            .bind(host: "127.0.0.1", port: 0).get()
        guard let port = listener.localAddress?.port else { throw ChannelError.unknownLocalAddress }
        return TestApplication(name: name, listener: listener, port: port, state: state)
    }

    var received: [Received] { state.received }

    func behave(_ behavior: Behavior, first: [Behavior] = []) {
        state.set(behavior, first: first)
    }

    /// Nobody listens any more, and nobody talks: as after the end of a process.
    func stop() async throws {
        try await listener.close()
        for connection in state.takeConnections() { try? await connection.close() }
    }
}

/// One connection to the application.
private final class ApplicationHandler: ChannelInboundHandler {
    typealias InboundIn = HTTPServerRequestPart
    typealias OutboundOut = HTTPServerResponsePart

    private let name: String
    private let state: TestApplication.StateBox
    private var head: HTTPRequestHead?
    private var body = ByteBuffer()

    init(name: String, state: TestApplication.StateBox) {
        self.name = name
        self.state = state
    }

    func channelActive(context: ChannelHandlerContext) {
        state.opened(context.channel)
    }

    func channelInactive(context: ChannelHandlerContext) {
        state.closed(context.channel)
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch unwrapInboundIn(data) {
        case .head(let head):
            self.head = head
            body.clear()
        case .body(var part): body.writeBuffer(&part)
        case .end:
            guard let head else { return }
            let request = TestApplication.Received(
                method: head.method.rawValue,
                path: head.uri,
                headers: head.headers.map { ($0.name, $0.value) },
                body: Array(body.readableBytesView)
            )
            act(context, head, state.behavior(for: request))
        }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        context.close(promise: nil)
    }

    private func act(_ context: ChannelHandlerContext, _ head: HTTPRequestHead, _ behavior: TestApplication.Behavior) {
        switch behavior {
        case .answer: write(context, 200, ByteBuffer(string: name))
        case .answerAfter(let wait):
            let bound = NIOLoopBound((handler: self, context: context), eventLoop: context.eventLoop)
            context.eventLoop.scheduleTask(in: wait) { [name] in
                let (handler, context) = bound.value
                handler.write(context, 200, ByteBuffer(string: name))
            }
        case .echo: write(context, 200, body, isChunked: head.headers.contains(name: "transfer-encoding"))
        case .refuse(let status): write(context, status, ByteBuffer(string: "no"))
        case .hang: break
        case .reset: reset(context)
        case .resetAfterHead:
            writeHead(context, 200, [("content-length", "1000")])
            context.writeAndFlush(wrapOutboundOut(.body(.byteBuffer(ByteBuffer(string: "so far")))), promise: nil)
            reset(context)
        case .endless:
            writeHead(context, 200, [])
            trickle(context)
        }
    }

    private func writeHead(_ context: ChannelHandlerContext, _ status: Int, _ headers: [(String, String)]) {
        let head = HTTPResponseHead(
            version: .http1_1,
            status: HTTPResponseStatus(statusCode: status),
            headers: HTTPHeaders(headers)
        )
        context.write(wrapOutboundOut(.head(head)), promise: nil)
    }

    private func write(_ context: ChannelHandlerContext, _ status: Int, _ body: ByteBuffer, isChunked: Bool = false) {
        writeHead(
            context,
            status,
            [("x-answered-by", name)] + (isChunked ? [] : [("content-length", String(body.readableBytes))])
        )
        context.write(wrapOutboundOut(.body(.byteBuffer(body))), promise: nil)
        context.writeAndFlush(wrapOutboundOut(.end(nil)), promise: nil)
    }

    private func trickle(_ context: ChannelHandlerContext) {
        guard context.channel.isActive else { return }
        context.writeAndFlush(wrapOutboundOut(.body(.byteBuffer(ByteBuffer(string: "more")))), promise: nil)
        let bound = NIOLoopBound((handler: self, context: context), eventLoop: context.eventLoop)
        context.eventLoop.scheduleTask(in: .milliseconds(50)) {
            let (handler, context) = bound.value
            handler.trickle(context)
        }
    }

    private func reset(_ context: ChannelHandlerContext) {
        let bound = NIOLoopBound(context, eventLoop: context.eventLoop)
        guard let options = context.channel as? any SocketOptionProvider else { return context.close(promise: nil) }
        options.setSoLinger(linger(l_onoff: 1, l_linger: 0)).whenComplete { _ in bound.value.close(promise: nil) }
    }
}

/// A host that takes connections and says nothing.
final class SilentHost: Sendable {
    let port: Int
    private let listener: any Channel

    private init(_ listener: any Channel, port: Int) {
        self.listener = listener
        self.port = port
    }

    static func start() async throws -> SilentHost {
        let listener = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .childChannelOption(.autoRead, value: false)
            .bind(host: "127.0.0.1", port: 0).get()
        guard let port = listener.localAddress?.port else { throw ChannelError.unknownLocalAddress }
        return SilentHost(listener, port: port)
    }

    func stop() async throws {
        try await listener.close()
    }
}

import NIOCore
import NIOPosix

/// Calls services through a sidecar's outbound door, as an application does: for `hms-mesh curl`, and whoever asks an admin
/// socket.
public final class SidecarCaller: Sendable {
    public struct Request: Sendable {
        public var method = "GET"
        /// With its query.
        public var path = "/"
        public var headers: [(name: String, value: String)] = []
        public var body: [UInt8] = []

        public init(method: String = "GET", path: String = "/") {
            self.method = method
            self.path = path
        }
    }

    public struct Response: Sendable {
        public var status = 0
        public var headers: [(name: String, value: String)] = []
        public var body: [UInt8] = []

        public init(status: Int = 0) {
            self.status = status
        }

        /// `OK`, as HTTP/1.1 says it of that status; empty where nothing is usual.
        public var reason: String { String(describing: reasonPhrase(status)) }

        /// The first of this name, which is lower-case.
        public func header(_ name: String) -> String? {
            headers.first { $0.name.lowercased() == name }?.value
        }
    }

    private let loop: any EventLoop
    private let bound: NIOLoopBoundBox<CallerPool>

    /// - Parameter address: `host:port` or `unix:PATH`, as `HMS_MESH_ADDR` says it.
    /// - Throws: ``SidecarError`` where it is neither.
    public init(address: String) throws {
        let place = try CallerPool.Place(address)
        let loop = MultiThreadedEventLoopGroup.singleton.next()
        self.loop = loop
        bound = NIOLoopBoundBox.makeBoxSendingValue(CallerPool(place, loop: loop), eventLoop: loop)
    }

    /// - Parameter pool: makes the connections, on the event loop that they live on.
    init(pool: @Sendable (any EventLoop) -> ConnectionPool) {
        let loop = MultiThreadedEventLoopGroup.singleton.next()
        self.loop = loop
        bound = NIOLoopBoundBox.makeBoxSendingValue(CallerPool(.secured(pool(loop)), loop: loop), eventLoop: loop)
    }

    /// Sends a request and waits for its whole answer.
    ///
    /// - Throws: ``SidecarError`` where there is no whole answer.
    public func call(_ request: Request) async throws -> Response {
        let promise = loop.makePromise(of: Response.self)
        loop.execute { [bound] in bound.value.call(request, promise) }
        return try await promise.futureResult.get()
    }

    /// Sends a request and hands the answer's bytes on as they come.
    ///
    /// - Parameter onBegin: called when the answer has begun.
    /// - Throws: ``SidecarError`` where the answer is cut off, or its status is not 200.
    public func stream(
        _ request: Request,
        onBegin: @escaping @Sendable () -> Void = {},
        _ onBytes: @escaping @Sendable ([UInt8]) -> Void
    ) async throws {
        let promise = loop.makePromise(of: Response.self)
        let cancellation = NIOLoopBoundBox.makeBoxSendingValue(StreamHandle(), eventLoop: loop)
        try await withTaskCancellationHandler {
            loop.execute { [bound] in bound.value.call(request, promise, (onBegin, onBytes), cancellation.value) }
            let response = try await promise.futureResult.get()
            guard response.status == 200 else {
                let words = String(decoding: response.body, as: UTF8.self)
                throw SidecarError(
                    .address,
                    words.isEmpty ? "the sidecar answered \(response.status)" : String(words.prefix { $0 != "\n" })
                )
            }
        } onCancel: {
            loop.execute { cancellation.value.cancel() }
        }
    }
}

/// Lets go of an answer that has no end.
final class StreamHandle {
    fileprivate var exchange: HTTP1ClientHandler?
    fileprivate var upstream: (any UpstreamExchange)?
    fileprivate var caller: CallerExchange?
    fileprivate private(set) var isCancelled = false

    func cancel() {
        isCancelled = true
        exchange?.cancel()
        exchange?.close()
        upstream?.cancel()
        caller?.fail("it was let go of")
    }
}

/// The caller's connections, on its event loop.
final class CallerPool {
    enum Place {
        case tcp(host: String, port: Int)
        case unix(path: String)
        /// By mutual TLS, with connections of its own.
        case secured(ConnectionPool)

        init(_ address: String) throws {
            if address.hasPrefix("unix:") {
                self = .unix(path: String(address.dropFirst(5)))
                return
            }
            guard let colon = address.lastIndex(of: ":"), let port = UInt16(address[address.index(after: colon)...])
            else {
                throw SidecarError(.address, "\(address) is neither HOST:PORT nor unix:PATH")
            }
            var host = address[..<colon]
            if host.hasPrefix("["), host.hasSuffix("]") { host = host.dropFirst().dropLast() }
            self = .tcp(host: String(host), port: Int(port))
        }
    }

    private let place: Place
    private let loop: any EventLoop
    private var idle: [HTTP1ClientHandler] = []

    init(_ place: Place, loop: any EventLoop) {
        self.place = place
        self.loop = loop
    }

    func call(
        _ request: SidecarCaller.Request,
        _ promise: EventLoopPromise<SidecarCaller.Response>,
        _ streaming: (onBegin: () -> Void, onBytes: ([UInt8]) -> Void)? = nil,
        _ handle: StreamHandle? = nil
    ) {
        let exchange = CallerExchange(promise, streaming)
        handle?.caller = exchange
        if case .secured(let pool) = place {
            let waiter = SecuredCall(exchange, request, handle)
            return pool.acquire(http2: false, freshness: ConnectionPool.surelyOpen, now: .now(), for: waiter)
        }
        while let handler = idle.popLast() {
            guard handler.isUsable, NIODeadline.now() - handler.idleSince < .seconds(30) else { continue }
            handle?.exchange = handler
            return exchange.send(request, over: handler)
        }
        connect(exchange, request, handle)
    }

    private func connect(_ exchange: CallerExchange, _ request: SidecarCaller.Request, _ handle: StreamHandle?) {
        let setup = NIOLoopBound((exchange: exchange, request: request, handle: handle, pool: self), eventLoop: loop)
        let bootstrap = ClientBootstrap(group: loop).connectTimeout(.seconds(3)).channelInitializer { channel in
            channel.eventLoop.makeCompletedFuture {
                let handler = HTTP1ClientHandler()
                try channel.pipeline.syncOperations.addHandler(handler)
                handler.onRelease = { [pool = setup.value.pool] handler, isReusable in
                    if isReusable { pool.idle.append(handler) } else { pool.idle.removeAll { $0 === handler } }
                }
            }
        }
        let connecting: EventLoopFuture<any Channel>
        switch place {
        case .tcp(let host, let port): connecting = bootstrap.connect(host: host, port: port)
        case .unix(let path): connecting = bootstrap.connect(unixDomainSocketPath: path)
        case .secured: return
        }
        connecting.whenComplete { result in
            let (exchange, request, handle, _) = setup.value
            do {
                let handler = try result.get().pipeline.syncOperations.handler(type: HTTP1ClientHandler.self)
                if handle?.isCancelled == true { return handler.close() }
                handle?.exchange = handler
                exchange.send(request, over: handler)
            } catch {
                exchange.fail("the sidecar does not answer: \(Connector.failure(error).message)")
            }
        }
    }
}

/// A request that waits for a connection of a ``ConnectionPool``.
private final class SecuredCall: PoolWaiter {
    private let exchange: CallerExchange
    private let request: SidecarCaller.Request
    private let handle: StreamHandle?

    init(_ exchange: CallerExchange, _ request: SidecarCaller.Request, _ handle: StreamHandle?) {
        self.exchange = exchange
        self.request = request
        self.handle = handle
    }

    var responseSink: any ResponseSink { exchange }

    func obtained(_ upstream: any UpstreamExchange, isReused: Bool) {
        if handle?.isCancelled == true { return upstream.cancel() }
        handle?.upstream = upstream
        exchange.write(request, over: upstream)
    }

    func notConnected(_ failure: ExchangeFailure) {
        exchange.fail(failure.message)
    }
}

/// One request of the caller.
private final class CallerExchange: ResponseSink {
    private let promise: EventLoopPromise<SidecarCaller.Response>
    private let streaming: (onBegin: () -> Void, onBytes: ([UInt8]) -> Void)?
    private var response = SidecarCaller.Response()

    init(
        _ promise: EventLoopPromise<SidecarCaller.Response>,
        _ streaming: (onBegin: () -> Void, onBytes: ([UInt8]) -> Void)?
    ) {
        self.promise = promise
        self.streaming = streaming
    }

    func send(_ request: SidecarCaller.Request, over handler: HTTP1ClientHandler) {
        handler.start(self)
        write(request, over: handler)
    }

    func write(_ request: SidecarCaller.Request, over upstream: any UpstreamExchange) {
        guard request.path.utf8.count + request.method.utf8.count < HeadScanner.maximumHeadBytes else {
            return fail("the path is too long")
        }
        let hasHost = request.headers.contains { $0.name.lowercased() == "host" }
        let head = RequestHead(
            method: request.method,
            target: request.path,
            fields: (hasHost ? [] : [("host", "localhost")]) + request.headers.map { ($0.name, $0.value) },
            bodyBytes: request.body.count
        )
        upstream.send(head: head, path: RequestTarget(path: head.target), adding: AddedFields())
        upstream.send(body: ByteBuffer(bytes: request.body))
        upstream.sendEnd(trailers: nil)
        upstream.flush()
    }

    func fail(_ message: String) {
        promise.fail(SidecarError(.address, message))
    }

    func response(_ head: ResponseHead) {
        guard !head.isInformational else { return }
        response.status = head.status
        response.headers = head.block.fields.map { (head.block.text($0.name), head.block.text($0.value)) }
        if head.status == 200 { streaming?.onBegin() }
    }

    func responseBody(_ data: ByteBuffer) {
        if let streaming, response.status == 200 {
            streaming.onBytes(Array(data.readableBytesView))
        } else {
            response.body += data.readableBytesView
        }
    }

    func responseEnd(trailers: FieldBlock?) {
        promise.succeed(response)
    }

    func responseFailed(_ failure: ExchangeFailure) {
        fail("the sidecar's answer broke off: \(failure.message)")
    }

    func upstreamCanTakeMore() {}
    func responseReadComplete() {}
}

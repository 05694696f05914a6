import NIOCore
import RegistryClient

/// Posts to one host outside of the mesh, over connections that are kept.
final class CollectorClient: Sendable {
    private let configuration: TracingConfiguration
    private let loop: any EventLoop
    private let pool: NIOLoopBoundBox<ConnectionPool>

    init(_ configuration: TracingConfiguration, loop: any EventLoop) {
        self.configuration = configuration
        self.loop = loop
        pool = NIOLoopBoundBox.makeBoxSendingValue(
            ConnectionPool(
                destination: .external(host: configuration.host, port: configuration.port, tls: configuration.isTLS),
                connector: Connector(loop: loop, clock: WallClock.now)
            ),
            eventLoop: loop
        )
    }

    /// - Returns: the answer's status; nil where there was none in time.
    func post(_ body: [UInt8], timeout: TimeAmount) async -> Int? {
        let promise = loop.makePromise(of: Int.self)
        return await withTaskCancellationHandler {
            loop.execute { [self] in
                let post = CollectorPost(head, ByteBuffer(bytes: body), promise)
                post.start(over: pool.value, timeout: timeout, loop)
            }
            return try? await promise.futureResult.get()
        } onCancel: {
            // Whoever is answered first is answered; what comes later is nobody's.
            promise.fail(CancellationError())
        }
    }

    func close() {
        loop.execute { [self] in pool.value.close() }
    }

    private func head(_ length: Int) -> RequestHead {
        var fields = [
            ("host", configuration.authority), ("content-type", "application/json"), ("user-agent", "hms-mesh"),
        ]
        fields += configuration.headers.map { ($0.name, $0.value) }
        return RequestHead(method: "POST", target: configuration.path, fields: fields, bodyBytes: length)
    }
}

extension TracingConfiguration {
    fileprivate var authority: String {
        let name = host.contains(":") ? "[\(host)]" : host
        return port == (isTLS ? 443 : 80) ? name : "\(name):\(port)"
    }
}

/// One request, from waiting for a connection to the end of its answer.
private final class CollectorPost: PoolWaiter, ResponseSink {
    private let head: RequestHead
    private let body: ByteBuffer
    private let promise: EventLoopPromise<Int>
    private var exchange: (any UpstreamExchange)?
    private var status = 0
    private var timer: Scheduled<Void>?
    private var isOver = false

    init(_ head: (Int) -> RequestHead, _ body: ByteBuffer, _ promise: EventLoopPromise<Int>) {
        self.head = head(body.readableBytes)
        self.body = body
        self.promise = promise
    }

    func start(over pool: ConnectionPool, timeout: TimeAmount, _ loop: any EventLoop) {
        timer = loop.assumeIsolated().scheduleTask(in: timeout) { [self] in
            guard !isOver else { return }
            if let exchange { exchange.cancel() } else { pool.cancel(self) }
            fail("no answer in time")
        }
        pool.acquire(http2: false, freshness: ConnectionPool.surelyOpen, now: .now(), for: self)
    }

    var responseSink: any ResponseSink { self }

    func obtained(_ exchange: any UpstreamExchange, isReused: Bool) {
        guard !isOver else { return exchange.cancel() }
        self.exchange = exchange
        exchange.send(head: head, path: RequestTarget(path: head.target), adding: AddedFields())
        exchange.send(body: body)
        exchange.sendEnd(trailers: nil)
        exchange.flush()
    }

    func notConnected(_ failure: ExchangeFailure) {
        fail(failure.message)
    }

    func response(_ head: ResponseHead) {
        if !head.isInformational { status = head.status }
    }

    func responseEnd(trailers: FieldBlock?) {
        guard !isOver else { return }
        isOver = true
        timer?.cancel()
        promise.succeed(status)
    }

    func responseFailed(_ failure: ExchangeFailure) {
        fail(failure.message)
    }

    func responseBody(_ data: ByteBuffer) {}
    func upstreamCanTakeMore() {}
    func responseReadComplete() {}

    private func fail(_ message: String) {
        guard !isOver else { return }
        isOver = true
        timer?.cancel()
        promise.fail(SidecarError(.address, message))
    }
}

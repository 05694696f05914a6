import NIOCore
import RegistryModel

/// What tells one kind of ``Passage`` from another.
protocol PassageTerms {
    var data: DataPlane { get }
    var direction: AccessRecord.Direction { get }
    /// As the access log names both ends, and what lies between them.
    var from: String { get }
    var to: String { get }
    var trace: TraceContext { get }
    /// nil where no spans are kept of it.
    var span: SpanID? { get }
    /// Goes on in place of the caller's; nil: as it came.
    var traceField: TraceParent? { get }
    var isMutualTLS: Bool { get }

    /// - Parameter remaining: of the call's time.
    func added(remaining: TimeAmount) -> AddedFields
    func notConnected(_ failure: ExchangeFailure) -> MeshError
    func failed(_ failure: ExchangeFailure) -> MeshError
    func timedOut(delivered: Delivery) -> MeshError
    /// The last word of it, behind its line in the log.
    func ended(status: Int, _ error: MeshErrorCode?, took: TimeAmount)
}

extension PassageTerms {
    var traceField: TraceParent? { trace.field(span: span) }
}

/// A request that is passed on once and never twice, streaming both ways: to the application beside this sidecar, or to a
/// host outside of the mesh.
final class Passage<Terms: PassageTerms>: StreamingCall, PoolWaiter, WheelTarget {
    private enum Phase {
        case connecting
        case awaitingHead
        case streaming
        case over
    }

    private let terms: Terms
    private let pool: ConnectionPool
    private let head: RequestHead
    private let target: RequestTarget
    let writer: any ResponseWriter
    private let began: NIODeadline
    private let startedAt: Timestamp
    private let deadline: NIODeadline
    private let timeout: TimeAmount
    private var headAt: NIODeadline?

    private var phase = Phase.connecting
    private(set) var exchange: (any UpstreamExchange)?
    /// Of the request's body, until there is a connection.
    private var waiting: [ByteBuffer] = []
    private var requestEnded = false
    private var trailers: FieldBlock?
    private var received = 0
    var sent = 0
    private var status = 0
    var lastActivity: NIODeadline
    private let timer = WheelTimer()

    /// - Parameter timeout: until the response's head.
    init(
        _ terms: Terms,
        over pool: ConnectionPool,
        head: RequestHead,
        target: RequestTarget,
        writer: any ResponseWriter,
        timeout: TimeAmount,
        now: NIODeadline
    ) {
        self.terms = terms
        self.pool = pool
        self.head = head
        self.target = target
        self.writer = writer
        began = now
        lastActivity = now
        startedAt = terms.data.now()
        self.timeout = timeout
        deadline = now + timeout
    }

    /// - Parameter freshness: of a connection that was used before; nil: any.
    func start(http2: Bool, freshness: TimeAmount?) {
        terms.data.wheel.set(timer, for: self, at: deadline, now: began)
        pool.acquire(http2: http2, freshness: freshness, now: began, for: self)
    }

    // MARK: PoolWaiter

    var responseSink: any ResponseSink { self }

    func obtained(_ exchange: any UpstreamExchange, isReused: Bool) {
        guard case .connecting = phase else { return exchange.cancel() }
        self.exchange = exchange
        phase = .awaitingHead
        var added = terms.added(remaining: deadline - .now())
        if let field = terms.traceField { added.add("traceparent", .trace(field)) }
        exchange.send(head: terms.span == nil ? head : head.withoutTrace(), path: target, adding: added)
        for part in waiting { exchange.send(body: part) }
        waiting.removeAll()
        if requestEnded { exchange.sendEnd(trailers: trailers) }
        exchange.flush()
        writer.setReading(exchange.canTakeMore)
    }

    func notConnected(_ failure: ExchangeFailure) {
        guard case .connecting = phase else { return }
        answer(terms.notConnected(failure))
    }

    // MARK: The request

    func requestBody(_ data: ByteBuffer) {
        received += data.readableBytes
        guard let exchange else {
            waiting.append(data)
            if received >= KeptBody.limit { writer.setReading(false) }
            return
        }
        exchange.send(body: data)
        exchange.flush()
        lastActivity = .now()
        if !exchange.canTakeMore { writer.setReading(false) }
    }

    func requestEnd(trailers: FieldBlock?) {
        requestEnded = true
        self.trailers = trailers
        exchange?.sendEnd(trailers: trailers)
        exchange?.flush()
    }

    func callerGone() {
        guard !isOver else { return }
        cancel()
        finish(status: status == 101 ? 101 : 499, nil)
    }

    // MARK: The response

    func response(_ head: ResponseHead) {
        if head.isInformational { return writer.write(informational: head) }
        status = head.status
        phase = .streaming
        lastActivity = .now()
        headAt = lastActivity
        var head = head
        head.block.removeMeshFields()
        writer.write(head: head, adding: AddedFields())
        terms.data.wheel.set(timer, for: self, at: lastActivity + terms.data.settings.idleTimeout, now: lastActivity)
    }

    func responseEnd(trailers: FieldBlock?) {
        guard isStreaming else { return }
        exchange = nil
        phase = .over
        var trailers = trailers
        trailers?.removeMeshFields()
        writer.writeEnd(trailers: trailers)
        finish(status: status, nil)
    }

    func responseFailed(_ failure: ExchangeFailure) {
        guard !isOver else { return }
        exchange = nil
        let error = terms.failed(failure)
        guard case .streaming = phase else { return answer(error) }
        writer.cut()
        finish(status: status, error)
    }

    // MARK: The end

    func timerFired(now: NIODeadline) {
        switch phase {
        case .over: return
        case .streaming:
            let idleTimeout = terms.data.settings.idleTimeout
            let silentUntil = lastActivity + idleTimeout
            guard now >= silentUntil else { return terms.data.wheel.set(timer, for: self, at: silentUntil, now: now) }
            cancel()
            writer.cut()
            finish(status: status, .silence(idleTimeout))
        case .connecting:
            cancel()
            answer(terms.timedOut(delivered: .no))
        case .awaitingHead:
            cancel()
            answer(terms.timedOut(delivered: .unknown))
        }
    }

    var isStreaming: Bool {
        if case .streaming = phase { true } else { false }
    }

    private var isOver: Bool {
        if case .over = phase { true } else { false }
    }

    private func cancel() {
        if let exchange { exchange.cancel() } else { pool.cancel(self) }
        exchange = nil
    }

    /// Ends it with the mesh's own answer.
    func answer(_ error: MeshError) {
        phase = .over
        error.write(to: writer, isGRPC: head.isGRPC)
        finish(status: error.code.status, error)
    }

    private func finish(status: Int, _ error: MeshError?) {
        phase = .over
        waiting.removeAll()
        terms.data.wheel.clear(timer)
        let now = NIODeadline.now()
        let took = now - began
        terms.data.note(
            AccessRecord(
                direction: terms.direction,
                time: startedAt,
                from: terms.from,
                to: terms.to,
                method: head.block.text(head.method),
                path: terms.data.settings.paths.show(head.path(target)),
                status: status,
                error: error?.code.description,
                hint: error?.message,
                tries: [],
                mostTries: 1,
                received: received,
                sent: sent,
                took: took,
                body: headAt.map { now - $0 },
                timeout: timeout,
                traceID: terms.trace.traceID,
                span: terms.span.map { SpanPlace(own: $0, parent: terms.trace.parentSpan) },
                isMutualTLS: terms.isMutualTLS,
                isTLS: terms.isMutualTLS
            )
        )
        terms.ended(status: status, error?.code, took: took)
    }
}

extension MeshError {
    /// Of a stream that nobody fed any more.
    static func silence(_ timeout: TimeAmount) -> MeshError {
        MeshError(.timeout, "nothing was sent for \(timeout.milliseconds / 1_000) s")
    }
}

extension RequestHead {
    /// The path that goes on.
    func path(_ target: RequestTarget) -> String {
        target.isRoot ? "/" : block.text(target.path)
    }
}

extension FieldBlock {
    /// What others say in the mesh's name is not the mesh's word.
    mutating func removeMeshFields() {
        guard fields.contains(where: { $0.known.isMesh }) else { return }
        fields.removeAll { $0.known.isMesh }
    }
}

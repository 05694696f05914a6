import NIOCore
import RegistryModel

/// A request to a host outside of the mesh, passed on as it is: no retries, no balancing, no certificate of ours.
final class EgressCall: RequestSink, ResponseSink, PoolWaiter, WheelTarget {
    private enum Phase {
        case connecting, awaitingHead, streaming, over
    }

    private let plane: DataPlane
    private let head: RequestHead
    private let host: String
    private let pool: ConnectionPool
    private let target: RequestTarget
    private let writer: any ResponseWriter
    private let began: NIODeadline
    private let startedAt: Timestamp
    private let timeout: TimeAmount

    private var phase = Phase.connecting
    private var exchange: (any UpstreamExchange)?
    private var waiting: [ByteBuffer] = []
    private var requestEnded = false
    private var trailers: FieldBlock?
    private var received = 0
    private var sent = 0
    private var status = 0
    private lazy var timer = WheelTimer(target: self)

    init(
        plane: DataPlane,
        head: RequestHead,
        host: String,
        port: Int,
        target: RequestTarget,
        writer: any ResponseWriter,
        now: NIODeadline
    ) {
        self.plane = plane
        self.head = head
        self.host = host
        self.target = target
        self.writer = writer
        began = now
        startedAt = plane.now()
        timeout = plane.settings.mesh.timeout ?? CallRules.builtIn.timeout
        pool = plane.pool(for: .external(host: host, port: port, tls: false))
    }

    func start() {
        plane.wheel.set(timer, at: began + timeout, now: began)
        pool.acquire(http2: false, freshness: .milliseconds(500), now: began, for: self)
    }

    var responseSink: any ResponseSink { self }

    func obtained(_ exchange: any UpstreamExchange, isReused: Bool) {
        guard case .connecting = phase else { return exchange.cancel() }
        self.exchange = exchange
        phase = .awaitingHead
        exchange.send(head: head, path: target, adding: AddedFields())
        for part in waiting { exchange.send(body: part) }
        waiting.removeAll()
        if requestEnded { exchange.sendEnd(trailers: trailers) }
        exchange.flush()
        writer.setReading(exchange.canTakeMore)
    }

    func notConnected(_ failure: ExchangeFailure) {
        guard case .connecting = phase else { return }
        answer(MeshError(.connectFailed, "\(host): \(failure.message)"))
    }

    func requestBody(_ data: ByteBuffer) {
        received += data.readableBytes
        guard let exchange else {
            waiting.append(data)
            if received >= KeptBody.limit { writer.setReading(false) }
            return
        }
        exchange.send(body: data)
        exchange.flush()
        if !exchange.canTakeMore { writer.setReading(false) }
    }

    func requestEnd(trailers: FieldBlock?) {
        requestEnded = true
        self.trailers = trailers
        exchange?.sendEnd(trailers: trailers)
        exchange?.flush()
    }

    func callerCanTakeMore() {
        exchange?.setReading(true)
    }

    func callerGone() {
        if let exchange { exchange.cancel() } else { pool.cancel(self) }
        finish(status: 499, nil)
    }

    func response(_ head: ResponseHead) {
        if head.isInformational { return writer.write(informational: head) }
        phase = .streaming
        status = head.status
        plane.wheel.clear(timer)
        var head = head
        head.block.fields.removeAll { $0.known.isMesh }
        writer.write(head: head, adding: AddedFields())
    }

    func responseBody(_ data: ByteBuffer) {
        sent += data.readableBytes
        writer.write(body: data)
        if !writer.canTakeMore { exchange?.setReading(false) }
    }

    func responseReadComplete() {
        if case .streaming = phase { writer.flush() }
    }

    func responseEnd(trailers: FieldBlock?) {
        guard case .streaming = phase else { return }
        exchange = nil
        phase = .over
        writer.writeEnd(trailers: trailers)
        finish(status: status, nil)
    }

    func responseFailed(_ failure: ExchangeFailure) {
        exchange = nil
        let error = MeshError(.appReset, "\(host): \(failure.message)")
        guard case .streaming = phase else { return answer(error) }
        writer.cut()
        finish(status: status, error)
    }

    func upstreamCanTakeMore() {
        writer.setReading(true)
    }

    func timerFired(now: NIODeadline) {
        if let exchange { exchange.cancel() } else { pool.cancel(self) }
        exchange = nil
        answer(MeshError(.timeout, "\(host) did not answer within \(timeout.milliseconds) ms"))
    }

    private func answer(_ error: MeshError) {
        phase = .over
        error.write(to: writer, isGRPC: head.isGRPC)
        finish(status: error.code.status, error)
    }

    private func finish(status: Int, _ error: MeshError?) {
        phase = .over
        waiting.removeAll()
        plane.wheel.clear(timer)
        plane.log.append(
            AccessRecord(
                direction: .outbound,
                time: startedAt,
                from: plane.settings.service.description,
                to: host,
                method: head.block.text(head.method),
                path: plane.settings.paths.show(target.isRoot ? "/" : head.block.text(target.path)),
                status: status,
                error: error?.code.description,
                hint: error?.message,
                tries: [],
                mostTries: 1,
                received: received,
                sent: sent,
                took: .now() - began,
                trace: head.block.value(.traceparent) ?? "",
                isMutualTLS: false,
                isTLS: false
            )
        )
    }
}

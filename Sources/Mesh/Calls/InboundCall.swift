import Identity
import NIOCore
import RegistryModel

/// One call from another sidecar to the application beside this one: checked, stripped of what nobody may claim, given the
/// caller's proven name, passed on once and never twice.
final class InboundCall: RequestSink, ResponseSink, PoolWaiter, WheelTarget {
    private enum Phase {
        case connecting
        case awaitingHead
        case streaming
        case over
    }

    private let plane: InboundPlane
    private let caller: Peer?
    private let head: RequestHead
    private let target: RequestTarget
    private let writer: any ResponseWriter
    private let began: NIODeadline
    private let startedAt: Timestamp
    private let trace: TraceContext
    /// The caller's, as its sidecar passed it on.
    private let deadline: NIODeadline
    private let timeout: TimeAmount

    private var phase = Phase.connecting
    private var exchange: (any UpstreamExchange)?
    private var waiting: [ByteBuffer] = []
    private var requestEnded = false
    private var trailers: FieldBlock?
    private var received = 0
    private var sent = 0
    private var status = 0
    private var lastActivity: NIODeadline
    private lazy var timer = WheelTimer(target: self)

    init(
        plane: InboundPlane,
        caller: Peer?,
        head: RequestHead,
        target: RequestTarget,
        writer: any ResponseWriter,
        now: NIODeadline
    ) {
        self.plane = plane
        self.caller = caller
        self.head = head
        self.target = target
        self.writer = writer
        began = now
        lastActivity = now
        startedAt = plane.data.now()
        trace = TraceContext(head, using: &plane.data.generator)
        timeout = head.ownTimeout ?? OutboundCall.idleTimeout
        deadline = now + timeout
    }

    func start() {
        plane.inFlight += 1
        plane.data.metrics.inboundBegan += 1
        guard plane.inFlight <= InboundPlane.mostInFlight else {
            return answer(
                MeshError(.overloaded, "\(plane.service) has \(InboundPlane.mostInFlight) requests under way here")
            )
        }
        plane.data.wheel.set(timer, at: deadline, now: began)
        plane.application.acquire(
            http2: plane.applicationSpeaksHTTP2,
            freshness: head.isRepeatable ? nil : .milliseconds(500),
            now: began,
            for: self
        )
    }

    // MARK: PoolWaiter

    var responseSink: any ResponseSink { self }

    func obtained(_ exchange: any UpstreamExchange, isReused: Bool) {
        guard case .connecting = phase else { return exchange.cancel() }
        self.exchange = exchange
        phase = .awaitingHead
        var added = AddedFields()
        if let caller { added.add("x-hms-caller", caller.id.description) }
        added.add("x-hms-timeout-ms", (deadline - .now()).timeoutHeader)
        if let header = trace.header { added.add("traceparent", header) }
        exchange.send(head: head, path: target, adding: added)
        for part in waiting { exchange.send(body: part) }
        waiting.removeAll()
        if requestEnded { exchange.sendEnd(trailers: trailers) }
        exchange.flush()
        writer.setReading(exchange.canTakeMore)
    }

    func notConnected(_ failure: ExchangeFailure) {
        guard case .connecting = phase else { return }
        answer(
            MeshError(
                .appRefused,
                "\(plane.service) does not listen on \(plane.application.destination.host):\(plane.application.destination.port): \(failure.message)",
                hint: "is the application running? hms-mesh doctor"
            )
        )
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
        guard let exchange else { return }
        exchange.sendEnd(trailers: trailers)
        exchange.flush()
    }

    func callerCanTakeMore() {
        exchange?.setReading(true)
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
        // What an application says in the mesh's name is not the mesh's word.
        var head = head
        head.block.fields.removeAll { $0.known.isMesh }
        writer.write(head: head, adding: AddedFields())
        plane.data.wheel.set(timer, at: lastActivity + OutboundCall.idleTimeout, now: lastActivity)
    }

    func responseBody(_ data: ByteBuffer) {
        sent += data.readableBytes
        writer.write(body: data)
        if !writer.canTakeMore { exchange?.setReading(false) }
    }

    func responseReadComplete() {
        guard case .streaming = phase else { return }
        writer.flush()
    }

    func responseEnd(trailers: FieldBlock?) {
        guard case .streaming = phase else { return }
        exchange = nil
        phase = .over
        var trailers = trailers
        trailers?.fields.removeAll { $0.known.isMesh }
        writer.writeEnd(trailers: trailers)
        finish(status: status, nil)
    }

    func responseFailed(_ failure: ExchangeFailure) {
        guard !isOver else { return }
        exchange = nil
        let error = MeshError(
            failure.kind == .malformed ? .wrongProtocol : .appReset,
            "\(plane.service): \(failure.message)",
            hint: failure.kind == .malformed ? "service.protocol says what the application speaks" : nil
        )
        guard case .streaming = phase else { return answer(error) }
        writer.cut()
        finish(status: status, error)
    }

    func upstreamCanTakeMore() {
        writer.setReading(true)
    }

    // MARK: The end

    func timerFired(now: NIODeadline) {
        switch phase {
        case .over: return
        case .streaming:
            let silentUntil = lastActivity + OutboundCall.idleTimeout
            guard now >= silentUntil else { return plane.data.wheel.set(timer, at: silentUntil, now: now) }
            cancel()
            writer.cut()
            finish(
                status: status,
                MeshError(.timeout, "nothing was sent for \(OutboundCall.idleTimeout.seconds / 60) minutes")
            )
        case .connecting, .awaitingHead:
            let wasDelivered = if case .awaitingHead = phase { true } else { false }
            cancel()
            answer(
                MeshError(
                    .deadline,
                    "\(plane.service) did not answer within the caller's \(timeout.milliseconds) ms",
                    delivered: wasDelivered ? .unknown : .no,
                    hop: .inbound
                )
            )
        }
    }

    private var isOver: Bool {
        if case .over = phase { true } else { false }
    }

    private func cancel() {
        if let exchange { exchange.cancel() } else { plane.application.cancel(self) }
        exchange = nil
    }

    private func answer(_ error: MeshError) {
        phase = .over
        error.write(to: writer, isGRPC: head.isGRPC)
        finish(status: error.code.status, error)
    }

    private func finish(status: Int, _ error: MeshError?) {
        phase = .over
        waiting.removeAll()
        plane.data.wheel.clear(timer)
        plane.inFlight -= 1
        let now = NIODeadline.now()
        plane.data.metrics.recordInbound(status: status, error: error?.code, took: now - began)
        plane.data.log.append(
            AccessRecord(
                direction: .inbound,
                time: startedAt,
                from: caller?.id.shortName ?? "-",
                to: plane.service.description,
                method: head.block.text(head.method),
                path: plane.data.settings.paths.show(target.isRoot ? "/" : head.block.text(target.path)),
                status: status,
                error: error?.code.description,
                hint: error?.message,
                tries: [],
                mostTries: 1,
                received: received,
                sent: sent,
                took: now - began,
                trace: trace.traceID,
                isMutualTLS: caller != nil,
                isTLS: caller != nil
            )
        )
        plane.requestEnded()
    }
}

/// What the inbound side of one event loop needs.
final class InboundPlane {
    static let mostInFlight = 1_024

    let data: DataPlane
    let service: ServiceName
    let application: ConnectionPool
    let applicationSpeaksHTTP2: Bool
    var inFlight = 0
    /// Nothing new is taken; what is under way ends.
    var isDraining = false
    /// Told when a drain has nothing left to wait for.
    var onQuiet: (() -> Void)?

    init(data: DataPlane, service: ServiceName, applicationPort: Int, speaksHTTP2: Bool) {
        self.data = data
        self.service = service
        applicationSpeaksHTTP2 = speaksHTTP2
        application = data.pool(for: .app(host: "127.0.0.1", port: applicationPort, http2: speaksHTTP2))
    }

    func requestEnded() {
        if isDraining, inFlight == 0 { onQuiet?() }
    }

    /// Takes a request of a caller who may be here.
    func begin(_ head: RequestHead, from caller: Peer?, writer: any ResponseWriter) -> (any RequestSink)? {
        if isDraining {
            MeshError(.draining, "\(service) is stopping: ask another instance").write(to: writer, isGRPC: head.isGRPC)
            return nil
        }
        guard !head.isConnect else {
            MeshError(.badRequest, "CONNECT is not for sidecars").write(to: writer)
            return nil
        }
        let call = InboundCall(
            plane: self,
            caller: caller,
            head: head,
            target: RequestTarget(path: head.target),
            writer: writer,
            now: .now()
        )
        call.start()
        return call
    }
}

extension SPIFFEID {
    /// `photo-validator`, `user/ada`
    var shortName: String {
        switch subject {
        case .service(let name): name.description
        case .user(let login): "user/\(login)"
        }
    }
}

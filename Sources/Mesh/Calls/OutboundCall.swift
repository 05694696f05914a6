import Identity
import NIOCore
import RegistryModel

/// One call of the application, from its head to its last byte: finds the service's instances, tries them by the rules of
/// delivery, and passes request and response on as they stream.
final class OutboundCall: StreamingCall, PoolWaiter, WheelTarget {
    enum Phase {
        /// For the name to be registered.
        case waitingForName(until: NIODeadline)
        /// For one of the calls under way to end.
        case waitingForRoom
        case backingOff(until: NIODeadline)
        case connecting
        case awaitingHead
        case streaming
        case over
    }

    let plane: DataPlane
    let entry: ServiceEntry
    let head: RequestHead
    let target: RequestTarget
    let writer: any ResponseWriter
    let began: NIODeadline
    let startedAt: Timestamp
    let trace: TraceContext
    /// nil where no spans are kept of it.
    let span: SpanID?
    let rules: CallRules
    let deadline: NIODeadline
    /// The deadline came with the request, and is not this sidecar's own.
    let isDeadlineInherited: Bool

    var phase = Phase.connecting
    var body = KeptBody()
    var exchange: (any UpstreamExchange)?
    var triedKeys: [InstanceKey] = []
    var tries: [TryRecord] = []
    var current: RoutedInstance?
    var candidates: Candidates?
    var tryBegan: NIODeadline
    var trySpan: SpanID?
    var queueTook: TimeAmount?
    var connectTook: TimeAmount?
    var tlsTook: TimeAmount?
    var headAt: NIODeadline?
    var isReused = false
    var perTry: TimeAmount
    var received = 0
    var sent = 0
    var responseStatus = 0
    var lastActivity: NIODeadline
    private let timer = WheelTimer()

    init(
        plane: DataPlane,
        entry: ServiceEntry,
        head: RequestHead,
        target: RequestTarget,
        writer: any ResponseWriter,
        now: NIODeadline
    ) {
        self.plane = plane
        self.entry = entry
        self.head = head
        self.target = target
        self.writer = writer
        began = now
        tryBegan = now
        lastActivity = now
        startedAt = plane.now()
        (trace, span) = plane.trace(head)
        let own = head.ownTimeout
        var rules = entry.rules.rules
        if let own { rules.timeout = own }
        self.rules = rules
        isDeadlineInherited = own != nil
        deadline = now + rules.timeout
        perTry = rules.timeout
    }

    func start() {
        entry.upstream.firstTry(now: began)
        tryNext(now: began)
    }

    // MARK: Tries

    func tryNext(now: NIODeadline) {
        guard now < deadline else { return timedOut(now) }
        switch entry.upstream.pick(excluding: triedKeys, now: now, using: &plane.generator) {
        case .instance(let instance, let candidates):
            self.candidates = candidates
            send(to: instance, now: now)
        case .unknown: awaitName(now, then: unknownService)
        case .noInstances(let why): awaitName(now) { self.noInstances(why) }
        case .breakerOpen(let why, let retryAfter):
            answer(error(.breakerOpen, why, hint: "hms-mesh status shows its breaker"), retryAfter: retryAfter)
        case .overloaded(let why):
            guard entry.upstream.startWaiting() else { return answer(error(.overloaded, why)) }
            phase = .waitingForRoom
            entry.queue(self)
            arm(now: now)
        }
    }

    private func send(to instance: RoutedInstance, now: NIODeadline) {
        current = instance
        tryBegan = now
        trySpan = span == nil ? nil : SpanID(using: &plane.generator)
        queueTook = nil
        connectTook = nil
        tlsTook = nil
        phase = .connecting
        let isRepeatable = isRepeatable(at: instance)
        perTry = rules.tryTimeout(isRepeatable: isRepeatable, triesDone: tries.count, remaining: deadline - now)
        entry.upstream.began(instance.key, now: now)
        let freshness: TimeAmount? = isRepeatable ? nil : ConnectionPool.surelyOpen
        let needsHTTP2 = head.isHTTP2 && instance.externalURL == nil
        plane.pool(for: instance.destination).acquire(http2: needsHTTP2, freshness: freshness, now: now, for: self)
        if case .connecting = phase { arm(now: now) }
    }

    func isRepeatable(at instance: RoutedInstance) -> Bool {
        if head.isRepeatable { return true }
        guard !instance.repeatable.isEmpty else { return false }
        let path = head.block.text(target.path)
        let method = head.block.text(head.method)
        return instance.repeatable.contains { $0.matches(method: method, path: path) }
    }

    // MARK: PoolWaiter

    var responseSink: any ResponseSink { self }

    func obtained(_ exchange: any UpstreamExchange, isReused: Bool) {
        guard case .connecting = phase, let current else { return exchange.cancel() }
        let now = NIODeadline.now()
        self.exchange = exchange
        self.isReused = isReused
        noteConnection(isReused ? nil : exchange.connectionTimes, now: now)
        phase = .awaitingHead
        arm(now: now)
        var added = AddedFields()
        var target = target
        if current.externalURL == nil {
            added.add("x-hms-timeout-ms", (deadline - now).timeoutField)
        } else {
            target.authority = externalAuthority(current)
        }
        if let field = trace.field(span: trySpan) { added.add("traceparent", .trace(field)) }
        exchange.send(head: span == nil ? head : head.withoutTrace(), path: target, adding: added)
        for part in body.parts { exchange.send(body: part) }
        if body.isEnded { exchange.sendEnd(trailers: body.trailers) }
        exchange.flush()
        writer.setReading(exchange.canTakeMore)
    }

    /// A connection may have been begun for another call, and have come to this one in the end.
    private func noteConnection(_ times: ConnectionTimes?, now: NIODeadline) {
        let waited = now - tryBegan
        connectTook = times.map { min($0.total, waited) }
        tlsTook = times?.tls.map { min($0, waited) }
        queueTook = waited - (connectTook ?? .zero)
    }

    private func externalAuthority(_ instance: RoutedInstance) -> String {
        let isTLS = instance.externalURL?.hasPrefix("https:") ?? false
        let port = instance.endpoint.port
        return port == (isTLS ? 443 : 80) ? instance.endpoint.host : instance.endpoint.description
    }

    func notConnected(_ failure: ExchangeFailure) {
        guard case .connecting = phase else { return }
        responseFailed(failure)
    }

    // MARK: The request

    func requestBody(_ data: ByteBuffer) {
        received += data.readableBytes
        body.append(data, isTaken: exchange != nil, in: plane.kept)
        guard let exchange else {
            if body.isFull { writer.setReading(false) }
            return
        }
        exchange.send(body: data)
        exchange.flush()
        lastActivity = .now()
        if !exchange.canTakeMore { writer.setReading(false) }
    }

    func requestEnd(trailers: FieldBlock?) {
        body.isEnded = true
        body.trailers = trailers
        guard let exchange else { return }
        exchange.sendEnd(trailers: trailers)
        exchange.flush()
    }

    func callerGone() {
        guard !isOver else { return }
        endTry(.abandoned, .failed("caller-gone"), delivery: nil)
        if case .streaming = phase, responseStatus == 101 { finish(status: 101, nil) } else { finish(status: 499, nil) }
    }

    // MARK: The response

    func response(_ head: ResponseHead) {
        if head.isInformational { return writer.write(informational: head) }
        let now = NIODeadline.now()
        lastActivity = now
        if mayNeedAnotherTry(head), retry(after: head, now: now) { return }
        responseStatus = head.status
        headAt = now
        phase = .streaming
        plane.wheel.clear(timer)
        settle(.answered(status: head.status, grpcStatus: head.block.number(.grpcStatus).map { Int($0) }), now: now)
        tries.append(record(.status(head.status), delivery: nil, message: nil, now: now))
        var added = AddedFields()
        added.add("x-hms-attempts", UInt64(tries.count))
        if let current { added.add("x-hms-instance", current.name) }
        var head = head
        if current?.externalURL != nil { head.block.removeMeshFields() }
        writer.write(head: head, adding: added)
        // A stream may be silent, but not for ever.
        plane.wheel.set(timer, for: self, at: now + plane.settings.idleTimeout, now: now)
    }

    func responseEnd(trailers: FieldBlock?) {
        guard isStreaming else { return }
        exchange = nil
        phase = .over
        var trailers = trailers
        if current?.externalURL != nil { trailers?.removeMeshFields() }
        writer.writeEnd(trailers: trailers)
        finish(status: responseStatus, nil)
    }

    func responseFailed(_ failure: ExchangeFailure) {
        guard !isOver else { return }
        let now = NIODeadline.now()
        exchange = nil
        if case .streaming = phase {
            writer.cut()
            return finish(status: responseStatus, error(.appReset, failure.message))
        }
        failed(failure, now: now)
    }

    // MARK: Time

    func arm(now: NIODeadline) {
        let due: NIODeadline
        switch phase {
        case .waitingForName(let until): due = min(until, deadline)
        case .backingOff(let until): due = min(until, deadline)
        case .waitingForRoom: due = deadline
        case .connecting:
            due = tryBegan + min(perTry, rules.connectTimeout(triesDone: tries.count, remaining: deadline - tryBegan))
        case .awaitingHead: due = min(tryBegan + perTry, deadline)
        case .streaming, .over: return
        }
        plane.wheel.set(timer, for: self, at: due, now: now)
    }

    func timerFired(now: NIODeadline) {
        switch phase {
        case .over: return
        case .streaming:
            let silentUntil = lastActivity + plane.settings.idleTimeout
            guard now >= silentUntil else { return plane.wheel.set(timer, for: self, at: silentUntil, now: now) }
            exchange?.cancel()
            writer.cut()
            finish(status: responseStatus, .silence(plane.settings.idleTimeout))
        case .waitingForName:
            entry.stopWaiting(self)
            phase = .connecting
            giveUpWaiting()
        case .waitingForRoom:
            leaveQueue()
            answer(error(.overloaded, "no call to \(entry.service) ended in time to make room"))
        case .backingOff where now < deadline: tryNext(now: now)
        case .backingOff: timedOut(now)
        case .connecting, .awaitingHead:
            let wasConnecting = if case .connecting = phase { true } else { false }
            tryTimedOut(wasConnecting: wasConnecting, now: now)
        }
    }

    var isStreaming: Bool {
        if case .streaming = phase { true } else { false }
    }

    var isOver: Bool {
        if case .over = phase { true } else { false }
    }

    /// Writes the one line of this call, and lets go of everything.
    func finish(status: Int, _ error: MeshError?) {
        phase = .over
        plane.wheel.clear(timer)
        body.release(in: plane.kept)
        let now = NIODeadline.now()
        plane.metrics.record(
            service: entry.service,
            status: status,
            error: error?.code,
            took: now - began,
            tries: tries.count,
            now: now
        )
        entry.recent.record(
            isSuccess: status < 500 && error == nil,
            isRetried: tries.count > 1,
            took: now - began,
            now: now
        )
        log(status: status, error, now: now)
    }
}

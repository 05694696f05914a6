import NIOCore

/// The callee's side: one keep-alive HTTP/1 connection, one request on it at a time.
final class HTTP1ClientHandler: ChannelInboundHandler, ChannelOutboundHandler, UpstreamExchange {
    typealias InboundIn = ByteBuffer
    typealias OutboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private enum Phase {
        case idle
        case head
        case body(BodyDecoder)
        case tunnel
        case closed
    }

    /// Told once the connection is free again (true) or of no further use (false).
    var onRelease: ((HTTP1ClientHandler, _ isReusable: Bool) -> Void)?
    private(set) var idleSince = NIODeadline.now()
    /// From the answers' `Keep-Alive: timeout=…`, in seconds.
    private(set) var peerKeepAlive: Int?
    private(set) var requests = 0
    let connectionTimes: ConnectionTimes?

    private var context: ChannelHandlerContext?
    private var phase = Phase.idle
    private var scanner = HeadScanner()
    private var input = ByteBuffer()
    private var sink: (any ResponseSink)?
    private var responseKeepsAlive = true

    private var output = CoalescingOutput()
    private var requestFraming = BodyFraming.none
    private var requestEnded = true
    private var answersHead = false
    private var sawResponseByte = false

    private var gate = ReadGate()
    private(set) var canTakeMore = false
    /// TLS ended with a fatal alert: the peer did not take us, and no byte of the request either.
    private var alert: (any Error)?
    /// Bytes of an unwanted answer that may still come.
    private var discardable = 0

    /// - Parameter times: nil where nobody asks.
    init(_ times: ConnectionTimes? = nil) {
        connectionTimes = times
    }

    var channel: (any Channel)? { context?.channel }

    /// Ready for a request.
    var isUsable: Bool {
        guard case .idle = phase, let context else { return false }
        return context.channel.isActive
    }

    func start(_ sink: any ResponseSink) {
        self.sink = sink
        phase = .head
        scanner = HeadScanner()
        sawResponseByte = false
        responseKeepsAlive = true
        requests += 1
    }

    func close() {
        context?.close(promise: nil)
    }

    // MARK: Channel

    func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
        canTakeMore = context.channel.isWritable
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        self.context = nil
        canTakeMore = false
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        var bytes = unwrapInboundIn(data)
        sawResponseByte = true
        input.take(&bytes)
        do throws(BadMessage) {
            while try step() {}
        } catch {
            fail(.malformed, "the answer is no HTTP: \(error.reason)", .unknown)
        }
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        sink?.responseReadComplete()
        context.fireChannelReadComplete()
    }

    func read(context: ChannelHandlerContext) {
        if gate.letsPass() { context.read() }
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        canTakeMore = context.channel.isWritable
        if canTakeMore { sink?.upstreamCanTakeMore() }
        context.fireChannelWritabilityChanged()
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if let event = event as? ChannelEvent, event == .inputClosed {
            if case .tunnel = phase { sink?.responseEnd(trailers: nil) } else { context.close(promise: nil) }
        }
        context.fireUserInboundEventTriggered(event)
    }

    func channelInactive(context: ChannelHandlerContext) {
        switch phase {
        case .body(let decoder) where decoder.endsWithConnection: endResponse(trailers: nil)
        case .tunnel: endResponse(trailers: nil)
        case .head, .body:
            if let alert { return fail(ExchangeFailure(handshake: alert)) }
            fail(
                .reset,
                sawResponseByte
                    ? "the connection ended in the middle of the answer" : "the connection ended before an answer",
                .unknown
            )
        case .idle, .closed: release(isReusable: false)
        }
        context.fireChannelInactive()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        if !sawResponseByte, isFatalAlert(error) { alert = error }
        context.close(promise: nil)
    }

    // MARK: The answer

    private func step() throws(BadMessage) -> Bool {
        switch phase {
        case .head:
            guard let head = try scanner.response(&input, answersHead: answersHead) else { return false }
            try take(head)
            return true
        case .body(var decoder):
            let part = try decoder.next(&input)
            phase = .body(decoder)
            switch part {
            case nil: return false
            case .data(let data):
                if let sink {
                    sink.responseBody(data)
                } else {
                    discardable -= data.readableBytes
                    if discardable < 0 { cancel() }
                }
                return true
            case .end(let trailers):
                endResponse(trailers: trailers)
                return false
            }
        case .tunnel:
            guard let data = input.readSlice(length: input.readableBytes), data.readableBytes > 0 else { return false }
            sink?.responseBody(data)
            return false
        case .idle:
            // Bytes that nobody asked for: whatever is read next could be taken for another's answer.
            guard input.readableBytes > 0 else { return false }
            close()
            return false
        case .closed: return false
        }
    }

    private func take(_ head: ResponseHead) throws(BadMessage) {
        if head.isInformational {
            scanner = HeadScanner()
            sink?.response(head)
            return
        }
        responseKeepsAlive = head.keepsAlive
        noteKeepAlive(head)
        phase = head.framing == .tunnel ? .tunnel : .body(BodyDecoder(head.framing))
        sink?.response(head)
    }

    private func noteKeepAlive(_ head: ResponseHead) {
        guard let value = head.block.value(.keepAlive) else { return }
        for parameter in value.split(separator: ",") {
            let sides = parameter.split(separator: "=")
            guard sides.count == 2, sides[0].filter({ $0 != " " }).lowercased() == "timeout" else { continue }
            peerKeepAlive = Int(sides[1].filter { $0 != " " })
        }
    }

    private func endResponse(trailers: FieldBlock?) {
        let sink = sink
        self.sink = nil
        let isReusable = responseKeepsAlive && requestEnded && input.readableBytes == 0
        phase = isReusable ? .idle : .closed
        sink?.responseEnd(trailers: trailers)
        release(isReusable: isReusable)
    }

    private func fail(_ kind: ExchangeFailure.Kind, _ message: String, _ delivery: Delivery) {
        fail(ExchangeFailure(kind: kind, delivery: delivery, message: message))
    }

    private func fail(_ failure: ExchangeFailure) {
        let sink = sink
        self.sink = nil
        phase = .closed
        sink?.responseFailed(failure)
        release(isReusable: false)
    }

    private func release(isReusable: Bool) {
        setReading(true)
        idleSince = .now()
        let onRelease = onRelease
        if !isReusable {
            self.onRelease = nil
            close()
        }
        onRelease?(self, isReusable)
    }

    // MARK: The request

    func send(head: RequestHead, path: RequestTarget, adding fields: AddedFields) {
        requestFraming = head.framing
        requestEnded = false
        answersHead = head.isHead
        output.append { $0.write(head, path: path, adding: fields) }
    }

    func send(body: ByteBuffer) {
        guard body.readableBytes > 0 else { return }
        let isChunked = requestFraming == .chunked
        guard !output.append(body: body, isChunked: isChunked) else { return }
        writeOut()
        context?.write(wrapOutboundOut(body), promise: nil)
        if isChunked { output.endChunk() }
    }

    func sendEnd(trailers: FieldBlock?) {
        if case .tunnel = phase {
            context?.close(mode: .output, promise: nil)
            return
        }
        if requestFraming == .chunked {
            output.append { $0.writeLastChunk(trailers: trailers, keepsMesh: false) }
        }
        requestEnded = true
    }

    func flush() {
        writeOut()
        context?.flush()
    }

    func setReading(_ isWanted: Bool) {
        if gate.set(open: isWanted) { context?.read() }
    }

    func discard() {
        sink = nil
        discardable = 64 * 1_024
        setReading(true)
        if !requestEnded { cancel() }
    }

    func cancel() {
        sink = nil
        phase = .closed
        close()
    }

    private func writeOut() {
        if let bytes = output.take() { context?.write(wrapOutboundOut(bytes), promise: nil) }
    }
}

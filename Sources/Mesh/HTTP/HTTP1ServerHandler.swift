import NIOCore

/// The caller's side of an HTTP/1 connection: requests in, one at a time, their responses out. Pipelined requests wait
/// their turn in the buffer, and reading stops for as long.
final class HTTP1ServerHandler: ChannelInboundHandler, ChannelOutboundHandler, RemovableChannelHandler, ResponseWriter {
    typealias InboundIn = ByteBuffer
    typealias InboundOut = ByteBuffer
    typealias OutboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    /// Makes what takes a request; told the head, and where its response goes.
    typealias Begin = (RequestHead, HTTP1ServerHandler) -> (any RequestSink)?

    private enum Phase {
        case head
        case body(BodyDecoder)
        /// The request is whole, its response is not.
        case responding
        /// The response came before the request's end: what is left of it is thrown away, up to a bound.
        case discarding(BodyDecoder, budget: Int)
        case tunnel
        case closing
    }

    private static let mostDiscarded = 256 * 1_024
    /// For a caller to take the rest of the last response.
    private static let longestFarewell = TimeAmount.minutes(5)

    private let begin: Begin
    private var context: ChannelHandlerContext?

    private var phase = Phase.head
    private var input = ByteBuffer()
    private var scanner = HeadScanner()
    private var isProcessing = false
    private var sink: (any RequestSink)?

    private var output = CoalescingOutput()
    private var responseFraming = BodyFraming.none
    private var responseBegan = false
    private var responseEnded = false
    private var answersHTTP10 = false
    private var answersHead = false
    private var keepsAlive = true

    private var gate = ReadGate()
    private(set) var canTakeMore = false

    /// When it began to wait for a head, or last got a byte of one.
    private(set) var waitingSince = NIODeadline.now()

    init(begin: @escaping Begin) {
        self.begin = begin
    }

    /// Between two requests.
    var isIdle: Bool {
        if case .head = phase { sink == nil && input.readableBytes == 0 } else { false }
    }

    /// Waits for a head, or for the rest of one.
    var awaitsHead: Bool {
        if case .head = phase { true } else { false }
    }

    var isHTTP2: Bool { false }

    var channel: (any Channel)? { context?.channel }

    /// After the present response the connection ends.
    func finishAndClose() {
        keepsAlive = false
        if isIdle { closeOnceWritten() }
    }

    /// At once: what the caller has not taken yet is lost.
    func close() {
        phase = .closing
        context?.close(promise: nil)
    }

    /// Behind the last byte of the response: a channel that is closed drops what its socket had no room for.
    private func closeOnceWritten() {
        phase = .closing
        guard let context else { return }
        setReading(false)
        writeOut()
        let channel = context.channel
        let giveUp = context.eventLoop.assumeIsolated().scheduleTask(in: Self.longestFarewell) {
            channel.close(promise: nil)
        }
        let written = context.eventLoop.makePromise(of: Void.self)
        written.futureResult.assumeIsolated().whenComplete { _ in
            giveUp.cancel()
            channel.close(promise: nil)
        }
        context.writeAndFlush(wrapOutboundOut(ByteBuffer()), promise: written)
    }

    /// Answers a `CONNECT` and leaves the connection to the handler behind it, with what was read already.
    func giveWay() throws {
        guard let context else { throw ChannelError.ioOnClosedChannel }
        phase = .closing
        responseEnded = true
        output.append { $0.writeStaticString("HTTP/1.1 200 OK\r\n\r\n") }
        flush()
        let left = input
        input = ByteBuffer()
        if left.readableBytes > 0 { context.fireChannelRead(wrapInboundOut(left)) }
        context.pipeline.syncOperations.removeHandler(context: context, promise: nil)
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
        input.take(&bytes)
        process()
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        context.fireChannelReadComplete()
    }

    func read(context: ChannelHandlerContext) {
        if gate.letsPass() { context.read() }
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        canTakeMore = context.channel.isWritable
        if canTakeMore { sink?.callerCanTakeMore() }
        context.fireChannelWritabilityChanged()
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if let event = event as? ChannelEvent, event == .inputClosed {
            if case .tunnel = phase { sink?.requestEnd(trailers: nil) } else { context.close(promise: nil) }
        }
        context.fireUserInboundEventTriggered(event)
    }

    func channelInactive(context: ChannelHandlerContext) {
        phase = .closing
        if let sink, !responseEnded {
            self.sink = nil
            sink.callerGone()
        }
        context.fireChannelInactive()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        context.close(promise: nil)
    }

    // MARK: Requests

    private func process() {
        guard !isProcessing else { return }
        isProcessing = true
        defer {
            isProcessing = false
            if case .responding = phase, input.readableBytes > 0 { setReading(false) }
        }
        do throws(BadMessage) {
            while try step() {}
        } catch {
            refuse(error)
        }
    }

    /// - Returns: whether there may be more to do.
    private func step() throws(BadMessage) -> Bool {
        switch phase {
        case .head:
            waitingSince = .now()
            guard input.readableBytes > 0, let head = try scanner.request(&input) else { return false }
            start(head)
            return true
        case .body(var decoder):
            let part = try decoder.next(&input)
            phase = .body(decoder)
            switch part {
            case nil: return false
            case .data(let data): sink?.requestBody(data)
            case .end(let trailers):
                // The sink may answer at once, and all of it, while it is told.
                phase = .responding
                sink?.requestEnd(trailers: trailers)
                finishIfDone()
            }
            return true
        case .discarding(var decoder, var budget):
            let part = try decoder.next(&input)
            phase = .discarding(decoder, budget: budget)
            switch part {
            case nil: return false
            case .data(let data):
                budget -= data.readableBytes
                guard budget > 0 else {
                    closeOnceWritten()
                    return false
                }
                phase = .discarding(decoder, budget: budget)
            case .end:
                phase = .responding
                finishIfDone()
            }
            return true
        case .tunnel:
            guard let data = input.readSlice(length: input.readableBytes), data.readableBytes > 0 else { return false }
            sink?.requestBody(data)
            return false
        case .responding, .closing: return false
        }
    }

    private func start(_ head: RequestHead) {
        responseBegan = false
        responseEnded = false
        answersHTTP10 = head.isHTTP10
        answersHead = head.isHead
        keepsAlive = keepsAlive && head.keepsAlive
        phase = .body(BodyDecoder(head.framing))
        sink = begin(head, self)
        if responseEnded { sink = nil }
    }

    private func refuse(_ error: BadMessage) {
        keepsAlive = false
        guard !responseBegan else { return cut() }
        if let sink {
            self.sink = nil
            sink.callerGone()
        }
        phase = .responding
        let refusal = MeshError(.badRequest, "this is no HTTP request to pass on: \(error.reason)")
        refusal.write(to: self)
        finishIfDone()
    }

    /// Request and response are both over: the next request, or the end.
    private func finishIfDone() {
        guard responseEnded, case .responding = phase else { return }
        sink = nil
        guard keepsAlive else { return closeOnceWritten() }
        phase = .head
        responseBegan = false
        responseEnded = false
        scanner = HeadScanner()
        waitingSince = .now()
        setReading(true)
        if !isProcessing { process() }
    }

    // MARK: Responses

    func write(informational head: ResponseHead) {
        guard !answersHTTP10 else { return }
        output.append { $0.write(head, framing: .none, keepsMesh: false, closes: false, adding: AddedFields()) }
        flush()
    }

    func write(head: ResponseHead, adding fields: AddedFields) {
        responseBegan = true
        responseFraming = head.framing
        if head.framing == .untilClose { responseFraming = answersHTTP10 ? .untilClose : .chunked }
        if head.framing == .chunked, answersHTTP10 { responseFraming = .untilClose }
        if responseFraming == .untilClose { keepsAlive = false }
        var head = head
        if head.framing == .none, lacksLength(head) { head.block.append("content-length", "0", .contentLength) }
        output.append {
            $0.write(
                head,
                framing: responseFraming,
                keepsMesh: true,
                closes: !keepsAlive,
                adding: fields
            )
        }
        if head.framing == .tunnel {
            phase = .tunnel
            keepsAlive = false
            flush()
            // What came before the answer may have stopped it.
            setReading(true)
            if !isProcessing { process() }
        }
    }

    /// An HTTP/2 stream that ended with its head says nothing of a length; here that would mean a body that the connection's
    /// end ends (RFC 9112 §6.3).
    private func lacksLength(_ head: ResponseHead) -> Bool {
        !answersHead && head.status != 204 && head.status != 304 && head.block.first(.contentLength) == nil
    }

    func write(body: ByteBuffer) {
        guard body.readableBytes > 0 else { return }
        let isChunked = responseFraming == .chunked
        guard !output.append(body: body, isChunked: isChunked) else { return }
        writeOut()
        context?.write(wrapOutboundOut(body), promise: nil)
        if isChunked { output.endChunk() }
    }

    func writeEnd(trailers: FieldBlock?) {
        guard !responseEnded else { return }
        if responseFraming == .chunked {
            output.append { $0.writeLastChunk(trailers: trailers, keepsMesh: true) }
        }
        flush()
        responseEnded = true
        switch phase {
        case .body(let decoder):
            sink = nil
            phase = .discarding(decoder, budget: Self.mostDiscarded)
            setReading(true)
            if !isProcessing { process() }
        case .tunnel: closeOnceWritten()
        default: if !isProcessing { finishIfDone() }
        }
    }

    func cut() {
        responseEnded = true
        sink = nil
        flush()
        close()
    }

    func flush() {
        writeOut()
        context?.flush()
    }

    func setReading(_ isWanted: Bool) {
        if gate.set(open: isWanted) { context?.read() }
    }

    private func writeOut() {
        if let bytes = output.take() { context?.write(wrapOutboundOut(bytes), promise: nil) }
    }
}

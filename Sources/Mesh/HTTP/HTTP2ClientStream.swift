import NIOCore
import NIOHPACK
import NIOHTTP2

/// The callee's side of one HTTP/2 stream: one try.
final class HTTP2ClientStream: ChannelInboundHandler, ChannelOutboundHandler, UpstreamExchange {
    typealias InboundIn = HTTP2Frame.FramePayload
    typealias OutboundIn = HTTP2Frame.FramePayload
    typealias OutboundOut = HTTP2Frame.FramePayload

    let connectionTimes: ConnectionTimes?
    private let alert: () -> (any Error)?
    private let isUnseen: (HTTP2StreamID) -> Bool
    private let onEnd: () -> Void
    private var context: ChannelHandlerContext?
    private var sink: (any ResponseSink)?
    private var hasHead = false
    private var isOver = false
    private var refusal: ExchangeFailure?
    private var gate = ReadGate()
    private var endsWithHead = false

    /// - Parameters:
    ///   - times: of its connection.
    ///   - alert: with which TLS ended, if it did.
    ///   - isUnseen: whether the callee said, by GOAWAY, that it has not looked at the stream.
    ///   - onEnd: told once, when the stream is over.
    init(
        times: ConnectionTimes?,
        alert: @escaping () -> (any Error)?,
        isUnseen: @escaping (HTTP2StreamID) -> Bool,
        onEnd: @escaping () -> Void
    ) {
        connectionTimes = times
        self.alert = alert
        self.isUnseen = isUnseen
        self.onEnd = onEnd
    }

    func start(_ sink: any ResponseSink) {
        self.sink = sink
    }

    func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        self.context = nil
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch unwrapInboundIn(data) {
        case .headers(let frame): take(frame)
        case .data(let frame):
            if case .byteBuffer(let bytes) = frame.data, bytes.readableBytes > 0 { sink?.responseBody(bytes) }
            if frame.endStream { end(trailers: nil) }
        default: break
        }
    }

    private func take(_ frame: HTTP2Frame.FramePayload.Headers) {
        do throws(BadMessage) {
            if hasHead {
                end(trailers: try FieldBlock(trailers: frame.headers))
                return
            }
            let head = try ResponseHead(frame.headers, endsStream: frame.endStream)
            hasHead = !head.isInformational
            sink?.response(head)
            if frame.endStream { end(trailers: nil) }
        } catch {
            fail(
                ExchangeFailure(kind: .malformed, delivery: .unknown, message: "the answer is no HTTP: \(error.reason)")
            )
            cancel()
        }
    }

    private func end(trailers: FieldBlock?) {
        guard !isOver else { return }
        isOver = true
        let sink = sink
        self.sink = nil
        sink?.responseEnd(trailers: trailers)
    }

    private func fail(_ failure: ExchangeFailure) {
        guard !isOver else { return }
        isOver = true
        let sink = sink
        self.sink = nil
        sink?.responseFailed(failure)
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        sink?.responseReadComplete()
        context.fireChannelReadComplete()
    }

    func read(context: ChannelHandlerContext) {
        if gate.letsPass() { context.read() }
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        if context.channel.isWritable { sink?.upstreamCanTakeMore() }
        context.fireChannelWritabilityChanged()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        // RFC 9113 §8.7: a refused stream, and one above GOAWAY's last id, was not looked at.
        let closed = error as? NIOHTTP2Errors.StreamClosed
        let isRefused = closed.map { $0.errorCode == .refusedStream || isUnseen($0.streamID) } ?? false
        refusal = ExchangeFailure(
            kind: .reset,
            delivery: isRefused ? .no : .unknown,
            message: isRefused ? "the callee refused the stream" : "the stream was reset: \(error)"
        )
        context.close(promise: nil)
    }

    func channelInactive(context: ChannelHandlerContext) {
        if !hasHead, let alert = alert() {
            fail(ExchangeFailure(handshake: alert))
        } else {
            fail(refusal ?? cutShort)
        }
        onEnd()
        context.fireChannelInactive()
    }

    private var cutShort: ExchangeFailure {
        ExchangeFailure(
            kind: .reset,
            delivery: .unknown,
            message: hasHead ? "the stream ended in the middle of the answer" : "the stream ended before an answer"
        )
    }

    // MARK: UpstreamExchange

    var canTakeMore: Bool {
        context?.channel.isWritable ?? false
    }

    func send(head: RequestHead, path: RequestTarget, adding fields: AddedFields) {
        endsWithHead = head.framing == .none
        write(.headers(.init(headers: head.headers(path: path, adding: fields), endStream: endsWithHead)))
    }

    func send(body: ByteBuffer) {
        guard body.readableBytes > 0 else { return }
        write(.data(.init(data: .byteBuffer(body))))
    }

    func sendEnd(trailers: FieldBlock?) {
        if let trailers {
            write(.headers(.init(headers: trailers.trailers(keepsMesh: false), endStream: true)))
        } else if !endsWithHead {
            write(.data(.init(data: .byteBuffer(ByteBuffer()), endStream: true)))
        }
    }

    func flush() {
        context?.flush()
    }

    func setReading(_ isWanted: Bool) {
        if gate.set(open: isWanted) { context?.read() }
    }

    func discard() {
        cancel()
    }

    func cancel() {
        isOver = true
        sink = nil
        guard let context, context.channel.isActive else { return }
        write(.rstStream(.cancel))
        context.flush()
    }

    private func write(_ payload: HTTP2Frame.FramePayload) {
        context?.write(wrapOutboundOut(payload), promise: nil)
    }
}

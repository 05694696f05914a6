import NIOCore
import NIOHPACK
import NIOHTTP2

/// The caller's side of one HTTP/2 stream: one request, one response.
final class HTTP2ServerStream: ChannelInboundHandler, ChannelOutboundHandler, ResponseWriter {
    typealias InboundIn = HTTP2Frame.FramePayload
    typealias OutboundIn = HTTP2Frame.FramePayload
    typealias OutboundOut = HTTP2Frame.FramePayload

    typealias Begin = (RequestHead, HTTP2ServerStream) -> (any RequestSink)?

    private let begin: Begin
    private var context: ChannelHandlerContext?
    private var sink: (any RequestSink)?
    private var hasBegun = false
    private var requestEnded = false
    private var responseEnded = false
    private var endsWithHead = false
    private var gate = ReadGate()

    init(begin: @escaping Begin) {
        self.begin = begin
    }

    var isHTTP2: Bool { true }

    var channel: (any Channel)? { context?.channel }

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
            if case .byteBuffer(let bytes) = frame.data, bytes.readableBytes > 0 { sink?.requestBody(bytes) }
            if frame.endStream { endRequest(trailers: nil) }
        default: break
        }
    }

    private func take(_ frame: HTTP2Frame.FramePayload.Headers) {
        do throws(BadMessage) {
            if hasBegun {
                endRequest(trailers: try FieldBlock(trailers: frame.headers))
            } else {
                hasBegun = true
                let head = try RequestHead(frame.headers, endsStream: frame.endStream)
                sink = begin(head, self)
                if responseEnded { sink = nil }
                if frame.endStream { endRequest(trailers: nil) }
            }
        } catch {
            guard !responseEnded else { return }
            if let sink {
                self.sink = nil
                sink.callerGone()
                return cut()
            }
            let refusal = MeshError(.badRequest, "this is no HTTP request to pass on: \(error.reason)")
            refusal.write(to: self)
        }
    }

    private func endRequest(trailers: FieldBlock?) {
        guard !requestEnded else { return }
        requestEnded = true
        sink?.requestEnd(trailers: trailers)
    }

    func read(context: ChannelHandlerContext) {
        if gate.letsPass() { context.read() }
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        if context.channel.isWritable { sink?.callerCanTakeMore() }
        context.fireChannelWritabilityChanged()
    }

    func channelInactive(context: ChannelHandlerContext) {
        if let sink, !responseEnded {
            self.sink = nil
            responseEnded = true
            sink.callerGone()
        }
        context.fireChannelInactive()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        context.close(promise: nil)
    }

    // MARK: ResponseWriter

    var canTakeMore: Bool {
        context?.channel.isWritable ?? false
    }

    func write(informational head: ResponseHead) {
        write(.headers(.init(headers: head.headers(keepsMesh: false, adding: AddedFields()))))
        flush()
    }

    func write(head: ResponseHead, adding fields: AddedFields) {
        // A head that says all, as gRPC's trailers-only answers do, must end the stream itself.
        endsWithHead = head.framing == .none
        write(
            .headers(
                .init(headers: head.headers(keepsMesh: true, adding: fields), endStream: endsWithHead)
            )
        )
    }

    func write(body: ByteBuffer) {
        guard body.readableBytes > 0 else { return }
        write(.data(.init(data: .byteBuffer(body))))
    }

    func writeEnd(trailers: FieldBlock?) {
        guard !responseEnded else { return }
        responseEnded = true
        if endsWithHead {
            // Said already.
        } else if let trailers {
            write(.headers(.init(headers: trailers.trailers(keepsMesh: true), endStream: true)))
        } else {
            write(.data(.init(data: .byteBuffer(ByteBuffer()), endStream: true)))
        }
        finish()
    }

    private func finish() {
        sink = nil
        flush()
        // RFC 9113 §8.1: what is left of the request is not wanted.
        if !requestEnded {
            write(.rstStream(.noError))
            flush()
        }
    }

    func flush() {
        context?.flush()
    }

    func cut() {
        responseEnded = true
        sink = nil
        write(.rstStream(.internalError))
        flush()
    }

    func setReading(_ isWanted: Bool) {
        if gate.set(open: isWanted) { context?.read() }
    }

    private func write(_ payload: HTTP2Frame.FramePayload) {
        context?.write(wrapOutboundOut(payload), promise: nil)
    }
}

import NIOCore
import NIOHTTP1

/// A request, whole.
struct HTTPRequest: Sendable {
    var head: HTTPRequestHead
    var body: ByteBuffer?
}

/// Takes whole requests apart for the HTTP/1.1 encoder.
final class RequestSerializer: ChannelOutboundHandler {
    typealias OutboundIn = HTTPRequest
    typealias OutboundOut = HTTPClientRequestPart

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        let request = unwrapOutboundIn(data)
        context.write(wrapOutboundOut(.head(request.head)), promise: nil)
        if let body = request.body { context.write(wrapOutboundOut(.body(.byteBuffer(body))), promise: nil) }
        context.write(wrapOutboundOut(.end(nil)), promise: promise)
    }
}

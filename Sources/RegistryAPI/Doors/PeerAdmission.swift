import Identity
import NIOCore
import NIOHTTP1
import NIOSSL
import NIOTLS
import RegistryModel
import X509

/// Stands between TLS and HTTP: once the handshake is over it decides who the peer is, and only then lets bytes on. A peer
/// that is refused is told why at its first byte, and none of its bytes is read as HTTP.
///
/// Resumed sessions come by here like all others: the session remembers the certificate, and it is judged anew.
final class PeerAdmission: ChannelInboundHandler, RemovableChannelHandler {
    typealias InboundIn = ByteBuffer
    typealias InboundOut = ByteBuffer
    typealias OutboundOut = ByteBuffer

    /// For the handshake, and for whoever is refused to hear it.
    static let patience = TimeAmount.seconds(10)

    private enum State {
        case handshaking
        case admitted
        case refused(Reply)
        /// Told why; what still comes is passed over.
        case told
    }

    private let admit: (NIOSSLCertificate?) throws -> Peer
    private var state = State.handshaking
    private var deadline: Scheduled<Void>?

    /// - Parameter admit: judges the certificate that the peer showed, if any; on the channel's event loop.
    init(admit: @escaping (NIOSSLCertificate?) throws -> Peer) {
        self.admit = admit
    }

    func handlerAdded(context: ChannelHandlerContext) {
        deadline = context.eventLoop.assumeIsolated().scheduleTask(in: Self.patience) { [channel = context.channel] in
            channel.close(promise: nil)
        }
    }

    func channelInactive(context: ChannelHandlerContext) {
        deadline?.cancel()
        context.fireChannelInactive()
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if case .handshakeCompleted = event as? TLSUserEvent { decide(context) }
        context.fireUserInboundEventTriggered(event)
    }

    private func decide(_ context: ChannelHandlerContext) {
        do {
            let certificate = try context.pipeline.syncOperations.nioSSL_peerCertificate()
            let peer = try admit(certificate)
            state = .admitted
            deadline?.cancel()
            context.fireUserInboundEventTriggered(peer)
        } catch {
            state = .refused(Reply(ProblemDetails(error)))
        }
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch state {
        case .admitted: context.fireChannelRead(data)
        case .refused(let reply): tell(reply, context)
        case .handshaking, .told: break
        }
    }

    /// The answer, then the end of our side: the peer reads it, and the deadline closes what it leaves open.
    private func tell(_ reply: Reply, _ context: ChannelHandlerContext) {
        state = .told
        context.writeAndFlush(wrapOutboundOut(reply.wireFormat), promise: nil)
        context.close(mode: .output, promise: nil)
    }
}

extension Reply {
    /// As the last answer of a connection, without an encoder.
    fileprivate var wireFormat: ByteBuffer {
        var buffer = ByteBuffer()
        let head = head(version: .http1_1, keepAlive: false)
        buffer.writeString("HTTP/1.1 \(head.status.code) \(head.status.reasonPhrase)\r\n")
        for (name, value) in head.headers { buffer.writeString("\(name): \(value)\r\n") }
        buffer.writeStaticString("\r\n")
        buffer.writeImmutableBuffer(body)
        return buffer
    }
}

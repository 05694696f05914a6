import Identity
import NIOCore
import NIOPosix
import NIOSSL
import NIOTLS
import RegistryModel

/// Takes calls from other sidecars: mutual TLS, and nobody's byte of HTTP before it is known who sends it.
struct InboundListener: Sendable {
    private let channel: any Channel
    let port: Int
    /// `127.0.0.1:17001`, `[::]:17001`
    let address: String

    /// - Parameters:
    ///   - hosts: the first that this machine has.
    ///   - ports: tried in turn until one is free.
    /// - Throws: where none of them can be had.
    static func start(hosts: [String], ports: [Int], loops: SidecarLoops) async throws -> InboundListener {
        let bootstrap = ServerBootstrap.ofTCPCalls(loops.group)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    let state = try loops.state(of: channel.eventLoop)
                    guard let credentials = state.data.connector.credentials else { throw ChannelError.eof }
                    let operations = channel.pipeline.syncOperations
                    try operations.addHandler(NIOSSLServerHandler(context: credentials.server))
                    try operations.addHandler(InboundGate(state: state))
                }
            }
        var last: any Error = ChannelError.unknownLocalAddress
        for port in ports {
            for host in hosts {
                do {
                    let channel = try await bootstrap.bind(host: host, port: port).get()
                    let bound = channel.localAddress?.port ?? port
                    let address = host.contains(":") ? "[\(host)]:\(bound)" : "\(host):\(bound)"
                    return InboundListener(channel: channel, port: bound, address: address)
                } catch {
                    last = error
                }
            }
        }
        throw last
    }

    func close() async {
        try? await channel.close()
    }
}

/// Waits for the handshake, judges who is there, and lets the connection speak or be told why not.
private final class InboundGate: ChannelInboundHandler, RemovableChannelHandler {
    typealias InboundIn = ByteBuffer

    private static let handshakeTimeout = TimeAmount.seconds(5)

    private let state: LoopState
    private var timer: Scheduled<Void>?

    init(state: LoopState) {
        self.state = state
    }

    func channelActive(context: ChannelHandlerContext) {
        let channel = context.channel
        timer = context.eventLoop.assumeIsolated().scheduleTask(in: Self.handshakeTimeout) {
            channel.close(promise: nil)
        }
        context.fireChannelActive()
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        guard case .handshakeCompleted(let negotiated) = event as? TLSUserEvent else {
            return context.fireUserInboundEventTriggered(event)
        }
        timer?.cancel()
        do {
            try open(context, negotiated)
            context.pipeline.syncOperations.removeHandler(context: context, promise: nil)
        } catch {
            context.close(promise: nil)
        }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        timer?.cancel()
        state.handshakes.failed += 1
        context.close(promise: nil)
    }

    private func open(_ context: ChannelHandlerContext, _ negotiated: String?) throws {
        let isAdmin = negotiated == RemoteAdmin.protocolName
        let certificate = try? context.pipeline.syncOperations.nioSSL_peerCertificate()
        let connection = InboundConnection(
            channel: context.channel,
            peer: state.judge(certificate, isCall: !isAdmin),
            isAdmin: isAdmin,
            since: .now()
        )
        state.handshakes.done += 1
        let begin: (RequestHead, any ResponseWriter) -> (any RequestSink)? = { [state] head, writer in
            isAdmin
                ? state.beginAdmin(head, on: connection, writer: writer)
                : state.begin(head, on: connection, writer: writer)
        }
        if negotiated == "h2" {
            try HTTP2Pipeline.serve(
                context.channel,
                onStream: { stream in
                    connection.streams += 1
                    stream.closeFuture.assumeIsolated().whenComplete { _ in connection.streams -= 1 }
                },
                begin: begin
            )
        } else {
            let handler = HTTP1ServerHandler(begin: begin)
            connection.http1 = handler
            try context.pipeline.syncOperations.addHandler(handler)
        }
        state.add(connection)
    }
}

/// One connection from another sidecar.
final class InboundConnection {
    /// However long a certificate is good for: who is there is looked at anew after this.
    static let longest = TimeAmount.hours(1)

    let channel: any Channel
    /// Who it is, or why it may not call.
    var peer: Result<Peer, PeerAuthorization.Refusal>
    /// Speaks to the sidecar itself (``RemoteAdmin``).
    let isAdmin: Bool
    let since: NIODeadline
    var http1: HTTP1ServerHandler?
    var streams = 0

    init(channel: any Channel, peer: Result<Peer, PeerAuthorization.Refusal>, isAdmin: Bool, since: NIODeadline) {
        self.channel = channel
        self.peer = peer
        self.isAdmin = isAdmin
        self.since = since
    }

    /// Ends it as soon as nothing is under way.
    func finish() {
        if let http1 { http1.finishAndClose() } else if streams == 0 { channel.close(promise: nil) }
    }
}

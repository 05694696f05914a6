import Hummingbird
import HummingbirdCore
import Logging
import NIOCore
import NIOHTTP1
import NIOHTTPTypesHTTP1
import NIOSSL
import Registry

/// Hummingbird's HTTP/1.1 channel with the hot paths in front of its router, and TLS and who the peer is in front of both.
struct RegistryChannel: ServerChildChannel {
    typealias Value = HTTP1Channel.Value

    /// How the peers of a door are told.
    enum Peers: Sendable {
        /// By the kernel, or not at all.
        case plain(PeerCredentials)
        case tls(TLSDoor)
    }

    let base: HTTP1Channel
    let service: HotPathService
    let door: Door
    let peers: Peers
    let connections: Connections

    init(
        responder: @escaping HTTPChannelHandler.Responder,
        service: HotPathService,
        door: Door,
        peers: Peers,
        connections: Connections
    ) {
        base = HTTP1Channel(
            responder: responder,
            configuration: .init(
                idleTimeout: .seconds(300),
                httpDecoderConfiguration: .init(
                    maxHeaderFieldSize: RequestLimits.headBytes,
                    maxHeaderListSize: RequestLimits.headBytes,
                    maxHeaderFieldCount: RequestLimits.headFields
                )
            )
        )
        self.service = service
        self.door = door
        self.peers = peers
        self.connections = connections
    }

    func setup(channel: any Channel, logger: Logger) -> EventLoopFuture<Value> {
        switch peers {
        case .plain(let credentials):
            return credentials.peer(of: channel).flatMap { peer in
                if door == .operators { connections.admit(peer, on: channel, now: service.registry.now().time) }
                return setUpHTTP(channel, peer, logger)
            }
        case .tls(let tls):
            do {
                try channel.pipeline.syncOperations.addHandlers([
                    NIOSSLServerHandler(context: tls.context),
                    PeerAdmission { certificate in try tls.admit(certificate, on: channel) },
                ])
            } catch {
                return channel.eventLoop.makeFailedFuture(error)
            }
            return setUpHTTP(channel, .nobody(), logger)
        }
    }

    private func setUpHTTP(_ channel: any Channel, _ peer: Peer, _ logger: Logger) -> EventLoopFuture<Value> {
        base.setup(channel: channel, logger: logger).flatMapThrowing { value in
            let operations = channel.pipeline.syncOperations
            let codec = try operations.handler(type: HTTP1ToHTTPServerCodec.self)
            try operations.addHandler(
                HotPathHandler(service: service, door: door, peer: peer),
                position: .before(codec)
            )
            return value
        }
    }

    func handle(value: Value, logger: Logger) async {
        await base.handle(value: value, logger: logger)
    }
}

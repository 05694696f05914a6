import Identity
import NIOCore
import NIOPosix
import RegistryModel

/// What `mtls: false` opens for a developer: calls to the application by plain HTTP/1.1, from whoever is on this machine.
/// Other sidecars go on calling by mutual TLS.
struct PlainDoor: Sendable {
    /// Tried first: so far above the application's port.
    private static let offset = 20_000
    private static let idleTimeout = TimeAmount.minutes(5)

    private let channel: any Channel
    let port: Int

    /// - Throws: where loopback has no port left.
    static func start(applicationPort: UInt16, loops: SidecarLoops) async throws -> PlainDoor {
        let bootstrap = ServerBootstrap.ofTCPCalls(loops.group)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    let state = try loops.state(of: channel.eventLoop)
                    try channel.pipeline.syncOperations.addHandlers(
                        IdleStateHandler(allTimeout: Self.idleTimeout),
                        IdleCloser(),
                        HTTP1ServerHandler { head, writer in state.beginUnproven(head, writer: writer) }
                    )
                }
            }
        let first = Int(applicationPort) + offset
        let ports = first <= Int(UInt16.max) ? [first, 0] : [0]
        var last: any Error = ChannelError.unknownLocalAddress
        for port in ports {
            do {
                let channel = try await bootstrap.bind(host: "127.0.0.1", port: port).get()
                return PlainDoor(channel: channel, port: channel.localAddress?.port ?? port)
            } catch {
                last = error
            }
        }
        throw SidecarError(.address, "no plain door on 127.0.0.1: \(Connector.failure(last).message)")
    }

    func close() async {
        try? await channel.close()
    }

    /// Whether a `Host` means this machine or the service: a web page whose own name was made to lead here means neither.
    static func answers(to authority: String, service: ServiceName, trustDomain: TrustDomain) -> Bool {
        var host = authority.lowercased()
        if let colon = host.lastIndex(of: ":"), host[host.index(after: colon)...].allSatisfy(\.isNumber) {
            host = String(host[..<colon])
        }
        return ["localhost", "127.0.0.1", service.description, "\(service).\(trustDomain)"].contains(host)
    }

    /// Ends what nobody uses.
    private final class IdleCloser: ChannelInboundHandler {
        typealias InboundIn = ByteBuffer

        func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
            guard event is IdleStateHandler.IdleStateEvent else { return context.fireUserInboundEventTriggered(event) }
            context.close(promise: nil)
        }
    }
}

extension LoopState {
    /// A call of somebody who has shown nothing.
    func beginUnproven(_ head: RequestHead, writer: any ResponseWriter) -> (any RequestSink)? {
        let authority = head.block.value(.host) ?? ""
        guard PlainDoor.answers(to: authority, service: inbound.service, trustDomain: data.settings.trustDomain) else {
            MeshError(
                .badRequest,
                "this door is \(inbound.service)'s on localhost, and \(authority) is neither",
                hop: .inbound
            ).write(to: writer)
            return nil
        }
        return inbound.begin(head, from: nil, writer: writer)
    }
}

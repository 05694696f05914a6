import Identity
import NIOCore
import NIOPosix
import NIOSSL
import RegistryModel

/// All of a sidecar that lives on one event loop: both planes, and the connections of callers.
final class LoopState {
    let data: DataPlane
    let inbound: InboundPlane
    private let allow: PeerAuthorization.AllowList
    private var connections: [ObjectIdentifier: InboundConnection] = [:]
    /// nil until the sidecar can answer for itself.
    var remoteAdmin: RemoteAdmin?
    /// Of callers.
    var handshakes = HandshakeCounts()

    init(data: DataPlane, inbound: InboundPlane, allow: PeerAuthorization.AllowList) {
        self.data = data
        self.inbound = inbound
        self.allow = allow
    }

    // MARK: Callers

    /// - Parameter isCall: whether it wants to call the application, for which not everybody may be allowed.
    func judge(_ certificate: NIOSSLCertificate?, isCall: Bool = true) -> Result<Peer, PeerAuthorization.Refusal> {
        guard let credentials = data.connector.credentials else {
            return .failure(
                PeerAuthorization.Refusal(code: .certificateExpired, message: "this sidecar has no certificate")
            )
        }
        do throws(PeerAuthorization.Refusal) {
            return .success(
                try data.connector.certificates.authorize(
                    certificate,
                    credentials: credentials,
                    meant: nil,
                    allow: isCall ? allow : .anyone,
                    now: data.now()
                )
            )
        } catch {
            return .failure(error)
        }
    }

    func begin(_ head: RequestHead, on connection: InboundConnection, writer: any ResponseWriter) -> (any RequestSink)?
    {
        switch connection.peer {
        case .success(let peer): return inbound.begin(head, from: peer, writer: writer)
        case .failure(let refusal):
            MeshError(
                MeshErrorCode(refusal: refusal.code),
                "\(inbound.service) refuses the call: \(refusal.message)",
                hop: .inbound
            ).write(to: writer, isGRPC: head.isGRPC)
            return nil
        }
    }

    /// A question to the sidecar itself, from elsewhere.
    func beginAdmin(
        _ head: RequestHead,
        on connection: InboundConnection,
        writer: any ResponseWriter
    ) -> any RequestSink {
        let loop = data.loop
        let refused: RemoteAdmin.Refused
        switch (connection.peer, remoteAdmin) {
        case (.success(let peer), let remoteAdmin?):
            do throws(RemoteAdmin.Refused) {
                let exchange = AdminExchange(head, writer, try remoteAdmin.answers(for: peer), loop: loop)
                exchange.start()
                return exchange
            } catch {
                refused = error
            }
        case (.success, nil): refused = RemoteAdmin.Refused(status: 503, message: "the sidecar is only starting")
        case (.failure(let refusal), _): refused = RemoteAdmin.Refused(status: 403, message: refusal.message)
        }
        let exchange = AdminExchange(head, writer, .none, loop: loop)
        exchange.refuse(refused)
        return exchange
    }

    func add(_ connection: InboundConnection) {
        let key = ObjectIdentifier(connection.channel)
        connections[key] = connection
        connection.channel.closeFuture.assumeIsolated().whenComplete { [self] _ in connections[key] = nil }
    }

    // MARK: Changes

    /// Takes new credentials: connections whose caller is not to be believed any more end at once.
    func use(_ credentials: MeshCredentials) {
        data.use(credentials)
        for connection in connections.values {
            guard case .success(let peer) = connection.peer, isDenied(peer, connection, credentials) else { continue }
            connection.channel.close(promise: nil)
        }
    }

    private func isDenied(_ peer: Peer, _ connection: InboundConnection, _ credentials: MeshCredentials) -> Bool {
        do throws(PeerAuthorization.Refusal) {
            _ = try PeerAuthorization.authorize(
                peer.leaf,
                now: data.now(),
                trustDomain: credentials.svid.id.trustDomain,
                denyList: credentials.denyList,
                allow: connection.isAdmin ? .anyone : allow
            )
            return false
        } catch {
            return true
        }
    }

    /// Looks after what has been there for too long. Called every few seconds.
    func sweep(now: NIODeadline) {
        data.closeIdle(now: now)
        for connection in connections.values {
            let isLapsed = if case .success(let peer) = connection.peer { peer.leaf.endsAt < data.now() } else { true }
            if isLapsed || now - connection.since > InboundConnection.longest {
                // A tail has no end of its own: whoever goes on must be admitted anew.
                if connection.isAdmin { connection.channel.close(promise: nil) } else { connection.finish() }
            } else if let http1 = connection.http1, http1.awaitsHead, now - http1.waitingSince > .seconds(75) {
                connection.channel.close(promise: nil)
            }
        }
    }

    func beginDraining() {
        inbound.isDraining = true
    }

    /// Ends callers' connections, each after what it is at.
    func closeConnections() {
        for connection in connections.values { connection.finish() }
    }

    func closeAll() {
        for connection in connections.values { connection.channel.close(promise: nil) }
        data.closeAll()
    }

    var connectionCount: Int { connections.count }
}

/// The event loops of a sidecar, each with its state.
struct SidecarLoops: Sendable {
    let group: MultiThreadedEventLoopGroup
    let resolver: OutboundResolver
    private let states: [ObjectIdentifier: NIOLoopBound<LoopState>]

    init(
        group: MultiThreadedEventLoopGroup,
        resolver: OutboundResolver,
        _ make: @escaping @Sendable (any EventLoop) -> LoopState
    ) async throws {
        self.group = group
        self.resolver = resolver
        var states: [ObjectIdentifier: NIOLoopBound<LoopState>] = [:]
        for loop in group.makeIterator() {
            states[ObjectIdentifier(loop)] = try await loop.submit { NIOLoopBound(make(loop), eventLoop: loop) }.get()
        }
        self.states = states
    }

    /// On that loop only.
    func state(of loop: any EventLoop) throws -> LoopState {
        guard let state = states[ObjectIdentifier(loop)] else { throw ChannelError.operationUnsupported }
        return state.value
    }

    /// Does something on every loop, and does not wait for it.
    func onEach(_ body: @escaping @Sendable (LoopState) -> Void) {
        for state in states.values { state.eventLoop.execute { body(state.value) } }
    }

    /// Does something on every loop, one after the other.
    func map<R: Sendable>(_ body: @escaping @Sendable (LoopState) -> R) async throws -> [R] {
        var results: [R] = []
        for state in states.values { results.append(try await state.eventLoop.submit { body(state.value) }.get()) }
        return results
    }
}

import Glibc
import Identity
import NIOCore
import NIOHTTP2
import NIOPosix
import NIOSSL
import NIOTLS
import RegistryModel

/// A connection, ready for requests.
enum Connected {
    case http1(HTTP1ClientHandler)
    case http2(HTTP2ClientConnection)
}

/// Makes connections for one event loop: TCP, TLS, and whether the right one answered.
final class Connector {
    /// From the first packet to a verified peer.
    static let timeout = TimeAmount.seconds(5)

    let loop: any EventLoop
    let certificates = PeerCertificates()
    /// Nil until the first certificate is there.
    var credentials: MeshCredentials?
    var clockOffset = ClockOffset()
    /// Of connections that this sidecar makes.
    fileprivate(set) var handshakes = HandshakeCounts()
    private let clock: @Sendable () -> Timestamp
    private lazy var systemTLS = Result { try NIOSSLContext(configuration: .makeClientConfiguration()) }

    init(loop: any EventLoop, clock: @escaping @Sendable () -> Timestamp) {
        self.loop = loop
        self.clock = clock
    }

    /// The result comes on this event loop.
    func connect(
        to destination: Destination,
        http2: Bool,
        then completion: @escaping (Result<Connected, ExchangeFailure>) -> Void
    ) {
        let security: Security
        do throws(ExchangeFailure) {
            security = try self.security(of: destination, http2: http2)
        } catch {
            return completion(.failure(error))
        }
        let setup = ConnectionSetup(
            connector: self,
            security: security,
            http2: http2,
            protocolName: destination.protocolName,
            completion: completion
        )
        let bound = NIOLoopBound(setup, eventLoop: loop)
        ClientBootstrap(group: loop)
            .connectTimeout(Self.timeout)
            .channelOption(.tcpOption(.tcp_nodelay), value: 1)
            .channelOption(.allowRemoteHalfClosure, value: true)
            .channelOption(.writeBufferWaterMark, value: .init(low: 64 * 1_024, high: 256 * 1_024))
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture { try bound.value.initialize(channel) }
            }
            .connect(host: destination.host, port: destination.port)
            .assumeIsolated()
            .whenFailure { error in setup.finish(.failure(Self.failure(error))) }
    }

    fileprivate enum Security {
        case none
        case mutual(NIOSSLContext, meant: SPIFFEID, credentials: MeshCredentials)
        case system(NIOSSLContext, host: String)
    }

    private func security(of destination: Destination, http2: Bool) throws(ExchangeFailure) -> Security {
        switch destination {
        case .app, .external(_, _, tls: false): return .none
        case .external(let host, _, tls: true):
            do {
                return .system(try systemTLS.get(), host: host)
            } catch {
                throw ExchangeFailure(kind: .tls, delivery: .no, message: "the system's roots can't be read: \(error)")
            }
        case .mesh(_, let service):
            guard let credentials else {
                throw ExchangeFailure(kind: .tls, delivery: .no, message: "this sidecar has no certificate yet")
            }
            return .mutual(
                http2 ? credentials.http2 : credentials.http1,
                meant: SPIFFEID(trustDomain: credentials.svid.id.trustDomain, subject: .service(service)),
                credentials: credentials
            )
        case .admin(_, let service):
            guard let credentials else {
                throw ExchangeFailure(kind: .tls, delivery: .no, message: "there is no certificate")
            }
            return .mutual(
                credentials.admin,
                meant: SPIFFEID(trustDomain: credentials.svid.id.trustDomain, subject: .service(service)),
                credentials: credentials
            )
        }
    }

    fileprivate func judge(
        _ channel: any Channel,
        meant: SPIFFEID,
        credentials: MeshCredentials
    ) throws(ExchangeFailure) {
        do throws(PeerAuthorization.Refusal) {
            _ = try certificates.authorize(
                try? channel.pipeline.syncOperations.nioSSL_peerCertificate(),
                credentials: credentials,
                meant: meant,
                allow: .anyone,
                now: clock()
            )
        } catch {
            throw ExchangeFailure(
                kind: .tls,
                delivery: .no,
                message: error.message,
                code: MeshErrorCode(refusal: error.code)
            )
        }
    }

    static func failure(_ error: any Error) -> ExchangeFailure {
        if let failure = error as? ExchangeFailure { return failure }
        if error is NIOSSLError || error is BoringSSLError {
            return ExchangeFailure(handshake: error)
        }
        let reason: String
        switch error {
        case let error as IOError: reason = String(errno: error.errnoCode)
        case let error as NIOConnectionError:
            if let first = error.connectionErrors.first?.error as? IOError {
                reason = String(errno: first.errnoCode)
            } else if error.connectionErrors.isEmpty {
                reason = "no such host"
            } else {
                reason = "\(error.connectionErrors[0].error)"
            }
        case is ChannelError: reason = "no answer within \(timeout.nanoseconds / 1_000_000_000) s"
        default: reason = "\(error)"
        }
        return ExchangeFailure(kind: .connect, delivery: .no, message: reason)
    }
}

/// TLS handshakes, by how they ended.
struct HandshakeCounts: Sendable {
    var done = 0
    /// Not finished, or with somebody who is not to be talked to.
    var failed = 0

    mutating func add(_ other: HandshakeCounts) {
        done += other.done
        failed += other.failed
    }
}

/// What becomes of one connection until it can take requests.
private final class ConnectionSetup {
    private let connector: Connector
    private let security: Connector.Security
    private let http2: Bool
    /// That must have been agreed on; nil: nothing else was offered that could be mistaken.
    private let protocolName: String?
    private let began = NIODeadline.now()
    /// When TCP was up.
    fileprivate var connected: NIODeadline?
    private var completion: ((Result<Connected, ExchangeFailure>) -> Void)?

    init(
        connector: Connector,
        security: Connector.Security,
        http2: Bool,
        protocolName: String?,
        completion: @escaping (Result<Connected, ExchangeFailure>) -> Void
    ) {
        self.protocolName = protocolName
        self.connector = connector
        self.security = security
        self.http2 = http2
        self.completion = completion
    }

    func finish(_ result: Result<Connected, ExchangeFailure>) {
        guard let completion else { return }
        self.completion = nil
        if isSecured {
            switch result {
            case .success: connector.handshakes.done += 1
            // Where nobody answered there was no handshake.
            case .failure(let failure) where failure.kind == .tls: connector.handshakes.failed += 1
            case .failure: break
            }
        }
        completion(result)
    }

    func initialize(_ channel: any Channel) throws {
        let operations = channel.pipeline.syncOperations
        switch security {
        case .none: break
        case .mutual(let context, _, _):
            try operations.addHandler(NIOSSLClientHandler(context: context, serverHostname: nil))
        case .system(let context, let host):
            try operations.addHandler(
                NIOSSLClientHandler(context: context, serverHostname: isAddress(host) ? nil : host)
            )
        }
        try operations.addHandler(ReadyWaiter(isSecured: isSecured, timeout: Connector.timeout, setup: self))
    }

    /// A sidecar that does not know the protocol takes its requests for calls.
    func objection(to negotiated: String?) -> ExchangeFailure? {
        guard let protocolName, negotiated != protocolName else { return nil }
        return ExchangeFailure(kind: .tls, delivery: .no, message: "the sidecar there does not speak \(protocolName)")
    }

    private var isSecured: Bool {
        if case .none = security { false } else { true }
    }

    /// TLS is up, or TCP where there is none: who is there, and what does it speak?
    func ready(_ channel: any Channel) throws {
        if case .mutual(_, let meant, let credentials) = security {
            try connector.judge(channel, meant: meant, credentials: credentials)
        }
        let operations = channel.pipeline.syncOperations
        let times = self.times
        if http2 {
            finish(.success(.http2(try HTTP2ClientConnection(channel, times))))
        } else {
            let handler = HTTP1ClientHandler(times)
            try operations.addHandler(handler)
            finish(.success(.http1(handler)))
        }
    }
}

extension ConnectionSetup {
    private var times: ConnectionTimes {
        let now = NIODeadline.now()
        guard let connected, isSecured else { return ConnectionTimes(connect: now - began) }
        return ConnectionTimes(connect: connected - began, tls: now - connected)
    }
}

/// Waits for the handshake, and gives way to the protocol's handlers.
private final class ReadyWaiter: ChannelInboundHandler, RemovableChannelHandler {
    typealias InboundIn = ByteBuffer

    private let isSecured: Bool
    private let timeout: TimeAmount
    private let setup: ConnectionSetup
    private var timer: Scheduled<Void>?
    private var isOver = false

    init(isSecured: Bool, timeout: TimeAmount, setup: ConnectionSetup) {
        self.isSecured = isSecured
        self.timeout = timeout
        self.setup = setup
    }

    func channelActive(context: ChannelHandlerContext) {
        setup.connected = .now()
        guard isSecured else { return end(context, nil) }
        let channel = context.channel
        timer = context.eventLoop.assumeIsolated().scheduleTask(in: timeout) { [self] in
            setup.finish(
                .failure(
                    ExchangeFailure(
                        kind: .tls,
                        delivery: .no,
                        message: "the TLS handshake took over \(timeout.seconds) s"
                    )
                )
            )
            channel.close(promise: nil)
        }
        context.fireChannelActive()
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if case .handshakeCompleted(let negotiated) = event as? TLSUserEvent {
            end(context, setup.objection(to: negotiated))
        }
        context.fireUserInboundEventTriggered(event)
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        end(context, error)
    }

    func channelInactive(context: ChannelHandlerContext) {
        if !isOver {
            end(
                context,
                ExchangeFailure(kind: .tls, delivery: .no, message: "the connection ended during the TLS handshake")
            )
        }
        context.fireChannelInactive()
    }

    private func end(_ context: ChannelHandlerContext, _ error: (any Error)?) {
        guard !isOver else { return }
        isOver = true
        timer?.cancel()
        do {
            if let error { throw error }
            try setup.ready(context.channel)
            context.pipeline.syncOperations.removeHandler(context: context, promise: nil)
        } catch {
            setup.finish(.failure(Connector.failure(error)))
            context.close(promise: nil)
        }
    }
}

/// What NIOSSL says when the other end refused the handshake, which TLS 1.3 tells a client only once it reads.
func isFatalAlert(_ error: any Error) -> Bool {
    if error is BoringSSLError { return true }
    if let error = error as? NIOSSLError, case .handshakeFailed = error { return true }
    return false
}

extension ExchangeFailure {
    /// Of a handshake: the peer took no byte of a request.
    init(handshake error: any Error) {
        let failure = TLSFailure(error)
        self.init(kind: .tls, delivery: .no, message: failure.words)
        mayBeClock = failure.mayBeClock
    }
}

extension TimeAmount {
    var seconds: Int64 { nanoseconds / 1_000_000_000 }
    /// Whole ones, rounded down.
    var milliseconds: Int64 { nanoseconds / 1_000_000 }
}

private func isAddress(_ host: String) -> Bool {
    (try? SocketAddress(ipAddress: host, port: 0)) != nil
}

extension String {
    /// The system's words for an error, in lower case.
    init(errno code: Int32) {
        self = String(cString: strerror(code)).lowercased()
    }
}

extension MeshErrorCode {
    /// The refusals of peers bear the mesh's own codes.
    init(refusal code: PeerAuthorization.Refusal.Code) {
        self = MeshErrorCode(rawValue: code.description) ?? .wrongPeer
    }
}

import Identity
import NIOCore
import NIOSSL
import NIOTLS
import RegistryModel
import X509

/// What lies below HTTP on a connection to a registry.
enum RegistryTransport: Sendable {
    /// A socket, or the plain door on loopback.
    case plain
    case tls(RegistryCredentials)
    case unverified

    /// Adds TLS where it is due.
    ///
    /// - Returns: succeeds when the server has been judged; nothing may be sent before.
    func addHandlers(to channel: any Channel) throws -> EventLoopFuture<Void> {
        let context: NIOSSLContext
        let trustDomain: TrustDomain?
        switch self {
        case .plain: return channel.eventLoop.makeSucceededVoidFuture()
        case .tls(let credentials): (context, trustDomain) = (try credentials.context(), credentials.trustDomain)
        case .unverified: (context, trustDomain) = (try RegistryCredentials.unverifiedContext(), nil)
        }
        let tls = try NIOSSLClientHandler(context: context, serverHostname: trustDomain?.registryName)
        let judged = channel.eventLoop.makePromise(of: Void.self)
        let admission = ServerAdmission(trustDomain: trustDomain, isVerified: !isUnverified, judged: judged)
        try channel.pipeline.syncOperations.addHandlers([tls, admission])
        return judged.futureResult
    }

    private var isUnverified: Bool {
        if case .unverified = self { true } else { false }
    }
}

/// Judges the server once the handshake is over: its certificate must bear a registry's reserved name.
final class ServerAdmission: ChannelInboundHandler {
    typealias InboundIn = NIOAny

    private let trustDomain: TrustDomain?
    private let isVerified: Bool
    private var judged: EventLoopPromise<Void>?
    private var deadline: Scheduled<Void>?

    init(trustDomain: TrustDomain?, isVerified: Bool, judged: EventLoopPromise<Void>) {
        self.trustDomain = trustDomain
        self.isVerified = isVerified
        self.judged = judged
    }

    func handlerAdded(context: ChannelHandlerContext) {
        let bound = NIOLoopBound((handler: self, context: context), eventLoop: context.eventLoop)
        deadline = context.eventLoop.scheduleTask(in: TimeAmount(RegistryConnection.connectTimeout)) {
            let (handler, context) = bound.value
            handler.settle(.failure(ChannelError.eof), context)
        }
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        settle(.failure(ChannelError.eof), context)
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if case .handshakeCompleted = event as? TLSUserEvent { settle(Result { try judge(context) }, context) }
        context.fireUserInboundEventTriggered(event)
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        settle(.failure(error), context)
        context.fireErrorCaught(error)
    }

    func channelInactive(context: ChannelHandlerContext) {
        settle(.failure(ChannelError.eof), context)
        context.fireChannelInactive()
    }

    private func judge(_ context: ChannelHandlerContext) throws {
        guard isVerified else { return }
        guard let certificate = try context.pipeline.syncOperations.nioSSL_peerCertificate() else {
            throw PeerAuthorization.Refusal(code: .wrongPeer, message: "it showed no certificate")
        }
        _ = try PeerAuthorization.authorizeRegistry(
            try Certificate(der: try certificate.toDERBytes()),
            now: WallClock.now(),
            trustDomain: trustDomain
        )
    }

    private func settle(_ result: Result<Void, any Error>, _ context: ChannelHandlerContext) {
        guard let judged else { return }
        self.judged = nil
        deadline?.cancel()
        if case .failure = result { context.close(promise: nil) }
        judged.completeWith(result)
    }
}

extension RegistryClientError {
    /// What went wrong below HTTP; nil where it has nothing to do with TLS.
    init?(tls error: any Error, at address: RegistryAddress) {
        switch error {
        case let refusal as PeerAuthorization.Refusal:
            self.init(.untrustedRegistry, "\(address) is not a registry to believe: \(refusal.message)")
        case let error as IdentityError:
            self.init(.untrustedRegistry, error.message)
        case is NIOSSLError, is BoringSSLError, is NIOSSLExtraError:
            self.init(TLSFailure(error), at: address)
        default: return nil
        }
    }

    private init(_ failure: TLSFailure, at address: RegistryAddress) {
        switch failure {
        case .ownCertificateEnded, .ownAuthorityUnknown, .ownCertificateRefused:
            self.init(
                .certificateRefused,
                "the registry at \(address) refused the TLS handshake: \(failure.words)",
                hint: "a person: HMS_TOKEN=hms1.… hms-reg login     a service: start it anew with a token in HMS_TOKEN"
            )
        case .peerNotVerified:
            self.init(
                .untrustedRegistry,
                "TLS handshake failed: \(address) showed a certificate that the pinned root did not sign, or that has ended",
                hint: "is the address right, and this machine's clock? New keys of the registry need a new login"
            )
        case .ended:
            self.init(.interrupted, "the registry at \(address) ended the connection before it had answered")
        case .notTLS, .noCommonVersion, .other:
            self.init(.untrustedRegistry, "TLS handshake with \(address) failed: \(failure.words)")
        }
    }
}

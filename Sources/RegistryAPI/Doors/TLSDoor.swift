import Identity
import Logging
import MaterializedView
import NIOCore
import NIOSSL
import Registry
import RegistryModel
import ServiceLifecycle
import Synchronization
import X509

/// The registry's public door: TLS 1.3 with its own certificate, whom it believes, and who may come in.
///
/// A change of certificate, bundle or deny list makes a new context. Tickets are sealed under a context's own keys, so
/// that no session outlives what it was made under.
final class TLSDoor: Sendable {
    private struct State {
        var context: NIOSSLContext
        var identity: ServerIdentity
    }

    private let registry: ServiceRegistry
    private let authority: RegistryAuthority
    private let connections: Connections
    private let names: [String]
    private let logger: Logger
    private let state: Mutex<State>

    /// - Parameter names: DNS names of the certificate, beside the reserved one.
    init(
        _ registry: ServiceRegistry,
        _ authority: RegistryAuthority,
        _ connections: Connections,
        names: [String],
        logger: Logger
    ) throws {
        self.registry = registry
        self.authority = authority
        self.connections = connections
        self.names = names
        self.logger = logger
        let identity = try authority.identity(names: names)
        state = Mutex(State(context: try Self.context(identity), identity: identity))
        authority.observe { [weak self] in self?.follow() }
    }

    /// For the next connection.
    var context: NIOSSLContext {
        state.withLock { $0.context }
    }

    /// A new certificate where a third of the present one's life is over, or the bundle has changed; a new context always.
    func renew() throws {
        var identity = state.withLock { $0.identity }
        if try isDue { identity = try authority.identity(names: names) }
        let context = try Self.context(identity)
        state.withLock { $0 = State(context: context, identity: identity) }
    }

    var isDue: Bool {
        get throws {
            let identity = state.withLock { $0.identity }
            return try identity.isDue(now: registry.now().time) || identity.bundle != authority.bundle
                || Array(identity.chain.dropFirst()) != authority.chain
        }
    }

    /// What is believed has changed: new connections get a new context, and those of the denied end.
    private func follow() {
        do {
            try renew()
            connections.end(DenyList(try registry.view.read { try $0.revocations() }))
        } catch {
            logger.error("the TLS door does not follow what was revoked: \(error)")
        }
    }

    /// Judges a peer whose handshake is over, by its certificate and what is on record of it.
    func admit(_ certificate: NIOSSLCertificate?, on channel: any Channel) throws -> Peer {
        let place = channel.remoteAddress.flatMap { ListenAddress.text(of: $0) } ?? ""
        let host = channel.remoteAddress?.ipAddress ?? ""
        let now = registry.now().time
        guard let certificate else {
            let peer = Peer.nobody(host: host, at: place)
            connections.admit(peer, on: channel, now: now)
            return peer
        }
        let leaf = try Certificate(der: try certificate.toDERBytes())
        let serial = leaf.serial
        let (record, denied) = try registry.view.read { (snapshot) throws in
            (try snapshot.certificate(serial), try snapshot.denyList(serial: serial, leaf))
        }
        let id = try PeerAuthorization.authorize(leaf, now: now, trustDomain: authority.trustDomain, denyList: denied)
        let keyHash = try leaf.publicKeyHash()
        let credential = Peer.Credential(
            id: id,
            serial: serial,
            keyHash: keyHash,
            lineage: record?.lineage ?? keyHash,
            fingerprint: try leaf.fingerprint(),
            role: record?.role,
            issuedAt: leaf.issuedAt,
            notAfter: leaf.endsAt
        )
        let peer = Peer(
            role: credential.asPeer,
            actor: Actor(.spiffeID(id.description), peer: place),
            host: host,
            certificate: credential
        )
        connections.admit(peer, on: channel, now: now)
        return peer
    }

    /// How long a connection that ends waits for its peer's goodbye.
    private static let goodbye = TimeAmount.milliseconds(500)

    private static func context(_ identity: ServerIdentity) throws -> NIOSSLContext {
        let chain = try identity.chain.map { certificate in
            NIOSSLCertificateSource.certificate(try NIOSSLCertificate(bytes: try certificate.der(), format: .der))
        }
        let key = try NIOSSLPrivateKey(bytes: Array(identity.key.pem.utf8), format: .pem)
        var configuration = TLSConfiguration.makeServerConfiguration(
            certificateChain: chain,
            privateKey: .privateKey(key)
        )
        configuration.minimumTLSVersion = .tlsv13
        configuration.applicationProtocols = ["http/1.1"]
        configuration.shutdownTimeout = goodbye
        configuration.trustRoots = .certificates(
            try identity.bundle.roots.map { try NIOSSLCertificate(bytes: try $0.der(), format: .der) }
        )
        // Optional: who shows none is nobody, and may ask for one; who shows one must be believed.
        configuration.certificateVerification = .optionalVerification
        return try NIOSSLContext(configuration: configuration)
    }
}

extension ServerIdentity {
    fileprivate func isDue(now: Timestamp) -> Bool {
        now.since(madeAt) > CertificateAuthority.leafLife / 3
    }
}

extension Peer.Credential {
    /// A workload is what its certificate says; a person's part in running the registry is on record, not in it.
    fileprivate var asPeer: Peer.Role {
        switch (id.subject, role) {
        case (.service(let name), _): .workload(name, lineage: hexadecimal(lineage))
        case (.user, .operator): .operator
        case (.user, .auditor): .auditor
        case (.user, nil): .user
        }
    }
}

extension ViewSnapshot {
    /// What of the deny list could concern a certificate.
    fileprivate func denyList(serial: String, _ leaf: Certificate) throws -> DenyList {
        var list = DenyList()
        if try revocation(.serial(serial)) != nil { list.serials.insert(serial) }
        if case .service(let name)? = (try? SPIFFEID(certificate: leaf))?.subject,
            let revocation = try revocation(.service(name))
        {
            list.services[name] = revocation.before
        }
        return list
    }
}

/// Keeps the door's certificate fresh.
struct TLSDoorKeeper: Service {
    /// How often it looks whether something is due.
    static let interval = Duration.seconds(10)

    let door: TLSDoor
    let logger: Logger

    func run() async throws {
        await cancelWhenGracefulShutdown {
            while !Task.isCancelled {
                try? await Task.sleep(for: Self.interval)  // cut short by cancellation: the loop ends then
                renewIfDue()
            }
        }
    }

    private func renewIfDue() {
        do {
            if try door.isDue { try door.renew() }
        } catch {
            logger.error("the TLS door's certificate can't be renewed: \(error)")
        }
    }
}

extension DenyList {
    fileprivate init(_ revocations: [Revocation]) {
        self.init()
        for revocation in revocations {
            switch revocation.subject {
            case .serial(let serial): serials.insert(serial)
            case .service(let name): services[name] = revocation.before
            }
        }
    }
}

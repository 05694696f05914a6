import Identity
import Registry
import RegistryModel
import Synchronization
import X509

/// The registry as its trust domain's certificate authority: signs, and puts on record what it signed.
final class RegistryAuthority: Sendable {
    private let registry: ServiceRegistry
    private let authority: Mutex<CertificateAuthority>
    private let directory: String
    /// `host:port` by which the TLS door is reached; nil while there is none.
    private let door = Mutex<String?>(nil)
    private let observers = Mutex<[@Sendable () -> Void]>([])

    /// Opens `DATA/keys`, or makes a new authority there.
    ///
    /// - Throws: `data-directory` where the keys can't be read, or are another trust domain's.
    init(_ registry: ServiceRegistry, trustDomain: TrustDomain) throws(RegistryError) {
        self.registry = registry
        directory = registry.dataDirectory.keys
        do {
            let now = registry.now().time
            authority = Mutex(try CertificateAuthority.open(in: directory, trustDomain: trustDomain, now: now))
        } catch {
            throw RegistryError(.dataDirectory, "the registry's keys can't be used: \(error.message)")
        }
    }

    /// Has `body` called whenever other certificates are to be believed than before.
    func observe(_ body: @escaping @Sendable () -> Void) {
        observers.withLock { $0.append(body) }
    }

    /// Something was revoked and is on record: whoever observes acts before the answer goes out.
    func noteRevocation() {
        for body in observers.withLock({ $0 }) { body() }
    }

    /// The TLS door is open.
    func noteDoor(_ address: String) {
        door.withLock { $0 = address }
    }

    /// A new join token, for whoever is to come by the TLS door; nil where there is none.
    func newToken() throws(IdentityError) -> JoinToken? {
        guard let address = door.withLock({ $0 }) else { return nil }
        return JoinToken.random(address: address, rootKeyHash: try authority.withLock { $0 }.root.publicKeyHash())
    }

    var bundle: TrustBundle {
        get throws(IdentityError) { try authority.withLock { $0 }.bundle }
    }

    /// A copy, with whose certificates alone anybody outside has to do.
    var certificates: (trustDomain: TrustDomain, root: CertificateSummary, issuer: CertificateSummary, bundle: String) {
        get throws(IdentityError) {
            let authority = authority.withLock { $0 }
            return (
                authority.trustDomain, try CertificateSummary(authority.root), try CertificateSummary(authority.issuer),
                try authority.bundle.pem
            )
        }
    }

    /// Signs somebody's key, and answers once that is on record: no certificate is ever out without.
    ///
    /// - Parameter predecessor: the certificate that it renews or follows, whose lineage goes on.
    func issue(
        _ subject: SPIFFEID.Subject,
        role: PersonRole? = nil,
        for request: SVIDRequest,
        on grounds: CertificateGrounds,
        following predecessor: CertificateRecord? = nil,
        _ submit: (Command) async throws -> CommandOutcome
    ) async throws -> (svid: X509SVID, outcome: CommandOutcome) {
        let svid = try sign(subject, request, registry.now().time)
        var record = CertificateRecord(
            serial: svid.serial,
            spiffeID: svid.id.description,
            keyHash: request.keyHash,
            lineage: predecessor?.lineage ?? request.keyHash,
            notAfter: svid.notAfter
        )
        record.role = role
        record.previous = predecessor?.serial ?? ""
        return (svid, try await submit(.issueCertificate(record, grounds)))
    }

    /// A certificate and a new key for the registry's own door, with what they are to be checked by.
    ///
    /// It is on no record: the key never leaves this process, and nobody else could have asked for it.
    func identity(names: [String]) throws(IdentityError) -> ServerIdentity {
        let key = WorkloadKey()
        let now = registry.now().time
        let (authority, leaf) = try exclusively { (authority) throws(IdentityError) in
            (authority, try authority.issueRegistry(additionalNames: names, for: key.publicKey, now: now))
        }
        return ServerIdentity(chain: [leaf, authority.issuer], key: key, bundle: try authority.bundle, madeAt: now)
    }

    var trustDomain: TrustDomain {
        authority.withLock { $0.trustDomain }
    }

    private func sign(
        _ subject: SPIFFEID.Subject,
        _ request: SVIDRequest,
        _ now: Timestamp
    ) throws(IdentityError) -> X509SVID {
        try exclusively { (authority) throws(IdentityError) in
            let id = SPIFFEID(trustDomain: authority.trustDomain, subject: subject)
            try request.check(askedNamesAgainst: id)
            return try authority.issue(id, for: request.publicKey, now: now)
        }
    }

    /// Once in two months it makes a new issuer first, under the lock: two must not be made at once.
    private func exclusively<R: Sendable>(
        _ body: (inout CertificateAuthority) throws(IdentityError) -> R
    ) throws(IdentityError) -> R {
        let now = registry.now().time
        let result = authority.withLock { authority -> Result<R, IdentityError> in
            do throws(IdentityError) {
                if try authority.renewIssuerIfDue(now: now) { try authority.storeIssuer(in: directory) }
                return .success(try body(&authority))
            } catch {
                return .failure(error)
            }
        }
        return try result.get()
    }
}

/// What the registry's own door shows, and whom it believes.
struct ServerIdentity: Sendable {
    /// The leaf, then its issuer.
    var chain: [Certificate]
    var key: WorkloadKey
    var bundle: TrustBundle
    var madeAt: Timestamp
}

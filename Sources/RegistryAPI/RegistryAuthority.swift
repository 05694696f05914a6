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

    /// Signs a workload's key, and answers once that is on record: no certificate is ever out without.
    func issue(
        _ subject: SPIFFEID.Subject,
        for request: SVIDRequest,
        _ submit: (Command) async throws -> CommandOutcome
    ) async throws -> (svid: X509SVID, outcome: CommandOutcome) {
        let now = registry.now().time
        let svid = try sign(subject, request, now)
        let record = CertificateRecord(
            serial: svid.serial,
            spiffeID: svid.id.description,
            keyHash: request.keyHash,
            lineage: request.keyHash,
            notAfter: svid.notAfter
        )
        return (svid, try await submit(.issueCertificate(record)))
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

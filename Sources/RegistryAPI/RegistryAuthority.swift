import Identity
import Registry
import RegistryModel
import Synchronization

/// The registry as its trust domain's certificate authority: signs, and puts on record what it signed.
final class RegistryAuthority: Sendable {
    private let registry: ServiceRegistry
    private let authority: Mutex<CertificateAuthority>
    private let directory: String

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

    private func sign(
        _ subject: SPIFFEID.Subject,
        _ request: SVIDRequest,
        _ now: Timestamp
    ) throws(IdentityError) -> X509SVID {
        let result = authority.withLock { authority -> Result<X509SVID, IdentityError> in
            do throws(IdentityError) {
                // Once in two months, and under the lock: two issuers must not be made at once.
                if try authority.renewIssuerIfDue(now: now) { try authority.storeIssuer(in: directory) }
                let id = SPIFFEID(trustDomain: authority.trustDomain, subject: subject)
                return .success(try authority.issue(id, for: request.publicKey, now: now))
            } catch {
                return .failure(error)
            }
        }
        return try result.get()
    }
}

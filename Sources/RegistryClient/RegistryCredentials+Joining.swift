public import Identity
import RegistryModel

extension RegistryCredentials {
    /// Joins by a token: pins the registry's root, then has a new key signed over a connection that verified to it.
    ///
    /// - Parameter address: where, when that is not what the token says.
    public static func joined(
        by token: JoinToken,
        as subject: SPIFFEID.Subject,
        at address: RegistryAddress? = nil
    ) async throws -> RegistryCredentials {
        let address = try address ?? RegistryAddress(token.address)
        let pinned = try await pinned(toRootKeyHash: token.rootKeyHash, at: address)
        return try await pinned.renewed(for: subject, on: .token(token), at: address)
    }

    /// The same identity for a new key, by the certificate that there is: to be asked for from
    /// ``Identity/X509SVID/renewAfter`` on.
    public func renewed(at address: RegistryAddress) async throws -> RegistryCredentials {
        guard let identity else { throw Self.nothingToRenew }
        return try await renewed(for: identity.svid.id.subject, on: .connection, at: address)
    }

    /// The same identity for a new key, after its certificate has ended, by proof of the old key: once.
    public func rejoined(at address: RegistryAddress) async throws -> RegistryCredentials {
        guard let identity else { throw Self.nothingToRenew }
        var stranger = self
        stranger.identity = nil
        let key = WorkloadKey()
        let request = try SVIDRequest.pem(signedBy: key)
        let grounds = IssuingGrounds.rejoin(
            certificate: try identity.svid.pem,
            proof: try identity.key.proof(ofRejoiningBy: request)
        )
        return try await stranger.renewed(for: identity.svid.id.subject, on: grounds, with: key, request, at: address)
    }

    private func renewed(
        for subject: SPIFFEID.Subject,
        on grounds: IssuingGrounds,
        at address: RegistryAddress
    ) async throws -> RegistryCredentials {
        let key = WorkloadKey()
        return try await renewed(for: subject, on: grounds, with: key, try SVIDRequest.pem(signedBy: key), at: address)
    }

    /// The bundle comes along, so that a rotation of roots reaches whoever renews.
    private func renewed(
        for subject: SPIFFEID.Subject,
        on grounds: IssuingGrounds,
        with key: WorkloadKey,
        _ request: String,
        at address: RegistryAddress
    ) async throws -> RegistryCredentials {
        let (issued, bundle) = try await RegistryConnection.withConnection(to: address, credentials: self) {
            connection in
            let issued = try await connection.issueCertificate(for: subject, request: request, on: grounds)
            return (issued, try await connection.authority().bundle)
        }
        let svid = try X509SVID(pem: issued.certificate)
        return RegistryCredentials(
            bundle: try TrustBundle(pem: bundle),
            trustDomain: svid.id.trustDomain,
            identity: Identity(svid: svid, key: key)
        )
    }

    private static var nothingToRenew: RegistryClientError {
        RegistryClientError(.certificateRefused, "there is no certificate to renew", hint: "join with a token")
    }
}

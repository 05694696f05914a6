public import Identity
public import RegistryModel

extension RegistryCredentials {
    /// Joins by a token: pins the registry's root, then has a key signed over a connection that verified to it.
    ///
    /// - Parameters:
    ///   - address: where, when that is not what the token says.
    ///   - key: a new one, unless there is one already.
    public static func joined(
        by token: JoinToken,
        as subject: SPIFFEID.Subject,
        at address: RegistryAddress? = nil,
        key: WorkloadKey = WorkloadKey()
    ) async throws -> RegistryCredentials {
        let address = try address ?? RegistryAddress(token.address)
        let pinned = try await pinned(toRootKeyHash: token.rootKeyHash, at: address)
        let request = try SVIDRequest.pem(signedBy: key)
        return try await pinned.renewed(for: subject, on: .token(token), with: key, request, at: address)
    }

    /// The same identity by the certificate that there is: to be asked for from ``Identity/X509SVID/renewAfter`` on.
    ///
    /// - Parameter key: a new one, unless the old one is to stay.
    public func renewed(
        at address: RegistryAddress,
        key: WorkloadKey = WorkloadKey()
    ) async throws -> RegistryCredentials {
        guard let identity else { throw Self.nothingToRenew }
        let request = try SVIDRequest.pem(signedBy: key)
        return try await renewed(for: identity.svid.id.subject, on: .connection, with: key, request, at: address)
    }

    /// The same identity after its certificate has ended, by proof of the old key: once.
    ///
    /// - Parameter key: a new one, unless the old one is to stay. Should the answer be lost, the same key may ask again.
    public func rejoined(
        at address: RegistryAddress,
        key: WorkloadKey = WorkloadKey()
    ) async throws -> RegistryCredentials {
        guard let identity else { throw Self.nothingToRenew }
        var stranger = self
        stranger.identity = nil
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
        with key: WorkloadKey,
        _ request: String,
        at address: RegistryAddress
    ) async throws -> RegistryCredentials {
        try await RegistryConnection.withConnection(to: address, credentials: self) { connection in
            try await connection.issueCredentials(for: subject, with: key, request: request, on: grounds)
        }
    }

    private static var nothingToRenew: RegistryClientError {
        RegistryClientError(.certificateRefused, "there is no certificate to renew", hint: "join with a token")
    }
}

extension RegistryConnection {
    /// Has a key signed, and takes the roots along that the registry believes now, so that a rotation reaches whoever asks.
    ///
    /// - Parameters:
    ///   - request: PEM of a request that the key signed; nil: one is made.
    ///   - grounds: by what right; left out, by the connection's own certificate or socket.
    ///   - role: of a person, for an operator who issues it.
    ///   - life: shorter than the registry's own; nil: that.
    public func issueCredentials(
        for subject: SPIFFEID.Subject,
        with key: WorkloadKey = WorkloadKey(),
        request: String? = nil,
        on grounds: IssuingGrounds = .connection,
        role: PersonRole? = nil,
        life: Duration? = nil
    ) async throws -> RegistryCredentials {
        let issued = try await issueCertificate(
            for: subject,
            request: try request ?? SVIDRequest.pem(signedBy: key),
            on: grounds,
            role: role,
            life: life
        )
        let svid = try X509SVID(pem: issued.certificate)
        return RegistryCredentials(
            bundle: try TrustBundle(pem: try await authority().bundle),
            trustDomain: svid.id.trustDomain,
            identity: RegistryCredentials.Identity(svid: svid, key: key)
        )
    }
}

public import Identity
import NIOSSL
import X509

/// What a client of a registry's TLS door goes by: whose registry it believes, and who it is itself.
public struct RegistryCredentials: Sendable, Equatable {
    /// A certificate and its key.
    public struct Identity: Sendable, Equatable {
        public var svid: X509SVID
        public var key: WorkloadKey

        public init(svid: X509SVID, key: WorkloadKey) {
            self.svid = svid
            self.key = key
        }

        public static func == (lhs: Self, rhs: Self) -> Bool {
            lhs.svid == rhs.svid
        }
    }

    /// The roots that are believed: nothing else is, and no system root.
    public var bundle: TrustBundle
    /// The registry must bear `registry.<trust domain>`; nil: of whatever domain the roots are.
    public var trustDomain: TrustDomain?
    /// nil: nobody, who may read the bundle and ask for a certificate.
    public var identity: Identity?

    public init(bundle: TrustBundle, trustDomain: TrustDomain? = nil, identity: Identity? = nil) {
        self.bundle = bundle
        self.trustDomain = trustDomain
        self.identity = identity
    }

    /// TLS 1.3, the bundle's roots alone, and never a resumed session. The name is checked after the handshake
    /// (``ServerAdmission``), since a common name must not do.
    func context() throws -> NIOSSLContext {
        var configuration = Self.configuration
        configuration.trustRoots = .certificates(
            try bundle.roots.map { try NIOSSLCertificate(bytes: try $0.der(), format: .der) }
        )
        configuration.certificateVerification = .noHostnameVerification
        if let identity {
            configuration.certificateChain = try [identity.svid.leaf, identity.svid.issuer].map { certificate in
                .certificate(try NIOSSLCertificate(bytes: try certificate.der(), format: .der))
            }
            configuration.privateKey = .privateKey(
                try NIOSSLPrivateKey(bytes: Array(identity.key.pem.utf8), format: .pem)
            )
        }
        return try NIOSSLContext(configuration: configuration)
    }

    /// Believes anybody: for asking for a bundle that is then held against a pin, and for nothing else.
    static func unverifiedContext() throws -> NIOSSLContext {
        var configuration = Self.configuration
        configuration.certificateVerification = .none
        return try NIOSSLContext(configuration: configuration)
    }

    private static var configuration: TLSConfiguration {
        var configuration = TLSConfiguration.makeClientConfiguration()
        configuration.minimumTLSVersion = .tlsv13
        configuration.applicationProtocols = ["http/1.1"]
        return configuration
    }
}

extension RegistryCredentials {
    /// Gets the registry's root by the hash of its key, as a join token holds it: a present one, or a former one that the
    /// door leads over from.
    ///
    /// The bundle comes over a connection that proves nothing; only the root whose key has the hash is kept of it, and
    /// the next connection must verify to that root.
    ///
    /// - Throws: `untrusted-registry` where no root has the hash; `unreachable`.
    public static func pinned(
        toRootKeyHash hash: [UInt8],
        at address: RegistryAddress
    ) async throws -> RegistryCredentials {
        let report = try await RegistryConnection.withConnection(to: address, over: .unverified) { connection in
            try await connection.authority()
        }
        let known = report.formerRoots.reduce(report.bundle) { $0 + $1.pem }
        guard let pinned = try? TrustBundle(pem: known).pinned(toRootKeyHash: hash) else {
            throw RegistryClientError(
                .untrustedRegistry,
                "\(address) is not the registry that the token is of: its root has another key",
                hint: "is the address right? If the registry's keys are new, so must the token be"
            )
        }
        return RegistryCredentials(bundle: pinned)
    }
}

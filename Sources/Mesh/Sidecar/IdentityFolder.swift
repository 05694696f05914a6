import Identity
public import RegistryClient

/// Where a sidecar keeps who it is and whom it believes: `key.pem`, `certificate.pem` (with its issuer) and `bundle.pem`, each
/// replaced at a time of its own.
public struct IdentityFolder: Sendable {
    private let path: String

    /// - Parameter path: of a folder that is there.
    public init(_ path: String) {
        self.path = path
    }

    // MARK: What is kept

    /// nil where there is none yet.
    ///
    /// - Throws: `storage`; what is no key.
    func key() throws -> WorkloadKey? {
        try PrivateFile.read(path + "/key.pem").map { try WorkloadKey(pem: $0) }
    }

    /// nil where there is none that can be read: it is asked for anew.
    var svid: X509SVID? {
        (try? PrivateFile.read(path + "/certificate.pem")).flatMap { try? X509SVID(pem: $0) }
    }

    /// nil where there is none that can be read: it is asked for anew.
    var bundle: TrustBundle? {
        (try? PrivateFile.read(path + "/bundle.pem")).flatMap { try? TrustBundle(pem: $0) }
    }

    /// All of it; nil where anything is missing.
    public var credentials: RegistryCredentials? {
        guard let key = try? key(), let svid, let bundle else { return nil }
        return RegistryCredentials(
            bundle: bundle,
            trustDomain: svid.id.trustDomain,
            identity: RegistryCredentials.Identity(svid: svid, key: key)
        )
    }

    // MARK: Keeping

    func keep(_ key: WorkloadKey) throws {
        try PrivateFile.write(key.pem, to: path + "/key.pem")
    }

    func keep(_ svid: X509SVID) throws {
        try PrivateFile.write(try svid.pem, to: path + "/certificate.pem")
    }

    func keep(_ bundle: TrustBundle) throws {
        try PrivateFile.write(try bundle.pem, to: path + "/bundle.pem")
    }

    /// - Throws: `storage`.
    public func keep(_ credentials: RegistryCredentials) throws {
        if let identity = credentials.identity {
            try keep(identity.key)
            try keep(identity.svid)
        }
        try keep(credentials.bundle)
    }
}

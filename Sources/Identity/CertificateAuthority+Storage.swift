import Crypto
import Glibc
public import RegistryModel
import X509

extension CertificateAuthority {
    private enum File: String, CaseIterable {
        case rootCertificate = "root.crt"
        case rootKey = "root.key"
        case issuerCertificate = "issuer.crt"
        case issuerKey = "issuer.key"
    }

    /// Opens the authority in `directory`, or makes one where there is none yet.
    ///
    ///     DATA/keys/root.crt root.key issuer.crt issuer.key     directory 0700, files 0600
    ///
    /// - Throws: `storage` where files are missing, can't be read or written, or belong to another trust domain:
    ///   an authority is never made over the remains of another.
    public static func open(
        in directory: String,
        trustDomain: TrustDomain,
        now: Timestamp
    ) throws(IdentityError) -> CertificateAuthority {
        guard mkdir(directory, 0o700) == 0 || errno == EEXIST else {
            throw IdentityError.storage("can't make", directory)
        }
        let present = File.allCases.filter { access(directory + "/" + $0.rawValue, F_OK) == 0 }
        if present.isEmpty {
            let authority = try CertificateAuthority(trustDomain: trustDomain, now: now)
            try authority.store(in: directory)
            return authority
        }
        guard present.count == File.allCases.count else {
            let missing = File.allCases.filter { !present.contains($0) }.map(\.rawValue).joined(separator: ", ")
            throw IdentityError(.storage, "\(directory) lacks \(missing): put back what was backed up")
        }
        return try load(from: directory, trustDomain)
    }

    /// Writes what there is: keys before the certificates that name them, each beside, synced and renamed.
    public func store(in directory: String) throws(IdentityError) {
        try Self.write(rootKey.pemRepresentation + "\n", directory, .rootKey)
        try Self.write(try root.pem(), directory, .rootCertificate)
        try storeIssuer(in: directory)
    }

    /// After ``renewIssuerIfDue(now:)``.
    public func storeIssuer(in directory: String) throws(IdentityError) {
        try Self.write(issuerKey.pemRepresentation + "\n", directory, .issuerKey)
        try Self.write(try issuer.pem(), directory, .issuerCertificate)
        let descriptor = Glibc.open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard descriptor >= 0 else { throw IdentityError.storage("can't sync", directory) }
        defer { close(descriptor) }
        guard fsync(descriptor) == 0 else { throw IdentityError.storage("can't sync", directory) }
    }

    private static func load(
        from directory: String,
        _ trustDomain: TrustDomain
    ) throws(IdentityError) -> CertificateAuthority {
        let root = try certificate(directory, .rootCertificate)
        let rootKey = try key(directory, .rootKey)
        let issuer = try certificate(directory, .issuerCertificate)
        let issuerKey = try key(directory, .issuerKey)
        guard root.publicKey == Certificate.PublicKey(rootKey.publicKey) else {
            throw IdentityError(.storage, "\(directory)/root.key is not the key of root.crt")
        }
        guard issuer.publicKey == Certificate.PublicKey(issuerKey.publicKey) else {
            throw IdentityError(.storage, "\(directory)/issuer.key is not the key of issuer.crt")
        }
        guard root.publicKey.isValidSignature(issuer.signature, for: issuer) else {
            throw IdentityError(.storage, "\(directory)/issuer.crt is not signed by root.crt")
        }
        let expected = "HMS root of \(trustDomain)"
        guard root.subject.description.contains(expected) else {
            throw IdentityError(
                .storage,
                "\(directory) is of another trust domain: \(root.subject), not \(trustDomain)"
            )
        }
        return CertificateAuthority(
            trustDomain: trustDomain,
            root: root,
            rootKey: rootKey,
            issuer: issuer,
            issuerKey: issuerKey
        )
    }

    private static func certificate(_ directory: String, _ file: File) throws(IdentityError) -> Certificate {
        let certificates = try Certificate.list(pem: try read(directory, file))
        guard certificates.count == 1 else {
            throw IdentityError(
                .storage,
                "\(directory)/\(file.rawValue) holds \(certificates.count) certificates, not one"
            )
        }
        return certificates[0]
    }

    private static func key(_ directory: String, _ file: File) throws(IdentityError) -> P256.Signing.PrivateKey {
        let text = try read(directory, file)
        do {
            return try P256.Signing.PrivateKey(pemRepresentation: text)
        } catch {
            throw IdentityError(.storage, "\(directory)/\(file.rawValue) is no PEM of a P-256 private key")
        }
    }

    private static func read(_ directory: String, _ file: File) throws(IdentityError) -> String {
        let path = directory + "/" + file.rawValue
        guard let text = try PrivateFile.read(path) else {
            throw IdentityError(.storage, "can't read \(path): \(String(cString: strerror(ENOENT)))")
        }
        return text
    }

    private static func write(_ text: String, _ directory: String, _ file: File) throws(IdentityError) {
        try PrivateFile.write(text, to: directory + "/" + file.rawValue)
    }
}

import Glibc
public import RegistryModel
import X509

/// The authority on disk: `DATA/keys/authority.json`, mode 0600 in a directory of mode 0700.
///
///     {"version":1,"trustDomain":"gov.local",
///      "active":{"root":"PEM","rootKey":"PEM","issuer":"PEM","issuerKey":"PEM"},
///      "rotation":{"phase":"overlap","since":"…","other":{…},"crossCertificate":"PEM"},
///      "former":[{"root":"PEM","crossCertificate":"PEM","until":"…"}],
///      "unrecorded":[{"change":"rotation-begun","root":"HEX","issuer":"HEX","other":"HEX","at":"…"}]}
///
/// All of it is one file, replaced by renaming and then syncing the directory: at every moment there is a whole authority,
/// the old one or the new one. Keys are PKCS #8. Releases before it kept `root.crt`, `root.key`, `issuer.crt` and
/// `issuer.key`: they are taken over, and removed once the one file is on the disk: a root that is replaced later must not
/// come back by them.
extension CertificateAuthority {
    static let fileName = "authority.json"

    private enum OldFile: String, CaseIterable {
        case rootCertificate = "root.crt"
        case rootKey = "root.key"
        case issuerCertificate = "issuer.crt"
        case issuerKey = "issuer.key"
    }

    /// Opens the authority in `directory`, or makes one where there is none yet.
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
        let path = directory + "/" + fileName
        let authority: CertificateAuthority
        if let text = try PrivateFile.read(path) {
            authority = try AuthorityFile.read(text, path: path, trustDomain)
        } else {
            let present = OldFile.allCases.filter { access(directory + "/" + $0.rawValue, F_OK) == 0 }
            authority =
                present.isEmpty
                ? try CertificateAuthority(trustDomain: trustDomain, now: now)
                : try takenOver(from: directory, trustDomain, now)
            try authority.store(in: directory)
        }
        PrivateFile.removeLeftovers(of: path)
        for file in OldFile.allCases { unlink(directory + "/" + file.rawValue) }
        return authority
    }

    /// Replaces what is kept, and returns once it is on the disk.
    ///
    /// - Throws: `storage`. What was kept may stand, or this: a start takes whichever it finds, and only this may have been
    ///   told to anybody once it returned.
    public func store(in directory: String) throws(IdentityError) {
        try PrivateFile.write(try AuthorityFile.text(of: self), to: directory + "/" + Self.fileName)
        try PrivateFile.syncDirectory(directory)
    }

    /// From the four files of earlier releases. A kill between two of their renamings could leave an issuer that is not of
    /// its key: the root is what everybody believes, so that a new issuer is all that this takes.
    private static func takenOver(
        from directory: String,
        _ trustDomain: TrustDomain,
        _ now: Timestamp
    ) throws(IdentityError) -> CertificateAuthority {
        let root = try certificate(directory, .rootCertificate)
        let rootKey = try key(directory, .rootKey)
        guard root.publicKey == rootKey.publicKey else {
            throw IdentityError(.storage, "\(directory)/root.key is not the key of root.crt")
        }
        guard root.subject.description == "CN=HMS root of \(trustDomain)" else {
            throw IdentityError(
                .storage,
                "\(directory) is of another trust domain: \(root.subject), not \(trustDomain)"
            )
        }
        if let issuer = try? certificate(directory, .issuerCertificate),
            let issuerKey = try? key(directory, .issuerKey), issuer.publicKey == issuerKey.publicKey,
            root.publicKey.isValidSignature(issuer.signature, for: issuer)
        {
            let generation = AuthorityGeneration(root: root, rootKey: rootKey, issuer: issuer, issuerKey: issuerKey)
            return CertificateAuthority(trustDomain: trustDomain, active: generation)
        }
        let generation = try AuthorityGeneration(root: root, rootKey: rootKey, trustDomain: trustDomain, now: now)
        return CertificateAuthority(trustDomain: trustDomain, active: generation)
    }

    private static func certificate(_ directory: String, _ file: OldFile) throws(IdentityError) -> Certificate {
        try part(directory, file) { (pem) throws(IdentityError) in try AuthorityFile.one(pem) }
    }

    private static func key(_ directory: String, _ file: OldFile) throws(IdentityError) -> Certificate.PrivateKey {
        try part(directory, file) { (pem) throws(IdentityError) in try Certificate.PrivateKey(authorityPEM: pem) }
    }

    private static func part<R>(
        _ directory: String,
        _ file: OldFile,
        _ parse: (String) throws(IdentityError) -> R
    ) throws(IdentityError) -> R {
        let text = try read(directory, file)
        do throws(IdentityError) {
            return try parse(text)
        } catch {
            throw IdentityError(.storage, "\(directory)/\(file.rawValue) can't be used: \(error.message)")
        }
    }

    private static func read(_ directory: String, _ file: OldFile) throws(IdentityError) -> String {
        let path = directory + "/" + file.rawValue
        guard let text = try PrivateFile.read(path) else {
            throw IdentityError(.storage, "\(directory) lacks \(file.rawValue): put back what was backed up")
        }
        return text
    }
}

import RegistryModel
import SwiftASN1
import X509

/// Reads and writes the text of ``CertificateAuthority/fileName``.
enum AuthorityFile {
    private static let version = 1

    // MARK: Writing

    static func text(of authority: CertificateAuthority) throws(IdentityError) -> String {
        var json = JSONWriter(reservingCapacity: 8_192)
        json.beginObject()
        json.member("version", version)
        json.member("trustDomain", authority.trustDomain.description)
        json.key("active")
        try write(authority.active, to: &json)
        if let rotation = authority.rotation {
            json.key("rotation")
            json.beginObject()
            json.member("phase", rotation.phase.rawValue)
            json.member("since", rotation.since)
            json.key("other")
            try write(rotation.other, to: &json)
            if let cross = rotation.crossCertificate { json.member("crossCertificate", try cross.pem()) }
            json.endObject()
        }
        if !authority.formerRoots.isEmpty {
            json.key("former")
            json.beginArray()
            for former in authority.formerRoots {
                json.beginObject()
                json.member("root", try former.root.pem())
                json.member("crossCertificate", try former.crossCertificate.pem())
                json.member("until", former.until)
                json.endObject()
            }
            json.endArray()
        }
        if !authority.unrecorded.isEmpty {
            json.key("unrecorded")
            json.beginArray()
            for change in authority.unrecorded { change.write(to: &json) }
            json.endArray()
        }
        json.endObject()
        return json.string + "\n"
    }

    private static func write(_ generation: AuthorityGeneration, to json: inout JSONWriter) throws(IdentityError) {
        json.beginObject()
        json.member("root", try generation.root.pem())
        if let key = generation.rootKey { json.member("rootKey", try key.pem()) }
        json.member("issuer", try generation.issuer.pem())
        json.member("issuerKey", try generation.issuerKey.pem())
        json.endObject()
    }

    // MARK: Reading

    /// Whose authority it is, once all of it is known to be good.
    ///
    /// - Throws: as ``read(_:path:_:)``.
    static func names(
        in text: String,
        path: String
    ) throws(IdentityError) -> (trustDomain: TrustDomain, rootKeyHash: String) {
        let trustDomain = try TrustDomain(try parse(text, path: path).trustDomain)
        let authority = try read(text, path: path, trustDomain)
        return (trustDomain, try CertificateSummary(authority.root).keyHash)
    }

    private static func parse(_ text: String, path: String) throws(IdentityError) -> Parsed {
        do throws(RegistryModelError) {
            return try JSONReader.parse(Array(text.utf8)) { (json) throws(RegistryModelError) in
                try Parsed(from: &json)
            }
        } catch {
            throw unusable(path, error.message)
        }
    }

    /// - Throws: `storage`, with the path and what is wrong there.
    static func read(
        _ text: String,
        path: String,
        _ trustDomain: TrustDomain
    ) throws(IdentityError) -> CertificateAuthority {
        let parsed = try parse(text, path: path)
        guard parsed.version == version else {
            throw unusable(path, "it is of version \(parsed.version), and this release reads \(version)")
        }
        guard parsed.trustDomain == trustDomain.description else {
            throw unusable(path, "it is of another trust domain: \(parsed.trustDomain), not \(trustDomain)")
        }
        do throws(IdentityError) {
            var authority = CertificateAuthority(trustDomain: trustDomain, active: try parsed.active.generation())
            if let other = parsed.other {
                guard let phase = AuthorityRotation.Phase(rawValue: parsed.phase) else {
                    throw IdentityError(.storage, "its rotation is in no known phase: \(parsed.phase)")
                }
                authority.rotation = AuthorityRotation(
                    phase: phase,
                    since: parsed.since,
                    other: try other.generation(),
                    crossCertificate: try parsed.crossCertificate.map { (pem) throws(IdentityError) in try one(pem) }
                )
            }
            authority.unrecorded = parsed.unrecorded
            authority.formerRoots = try parsed.former.map { (former) throws(IdentityError) in try former.formerRoot() }
            return authority
        } catch {
            throw unusable(path, error.message)
        }
    }

    private static func unusable(_ path: String, _ why: String) -> IdentityError {
        IdentityError(.storage, "\(path) can't be used: \(why); put back what was backed up")
    }

    static func one(_ pem: String) throws(IdentityError) -> Certificate {
        let certificates = try Certificate.list(pem: pem)
        guard certificates.count == 1 else {
            throw IdentityError(.storage, "it holds \(certificates.count) certificates where one is due")
        }
        return certificates[0]
    }
}

private struct Parsed {
    struct Generation {
        var root = ""
        var rootKey: String?
        var issuer = ""
        var issuerKey = ""
    }

    struct Former {
        var root = ""
        var crossCertificate = ""
        var until = Timestamp(rawValue: 0)
    }

    var version = 0
    var trustDomain = ""
    var active = Generation()
    var phase = ""
    var since = Timestamp(rawValue: 0)
    var other: Generation?
    var crossCertificate: String?
    var former: [Former] = []
    var unrecorded: [AuthorityChange] = []

    init(from json: inout JSONReader) throws(RegistryModelError) {
        var read = Self()
        try json.object { (json, name) throws(RegistryModelError) in
            switch name {
            case "version": read.version = try json.integer()
            case "trustDomain": read.trustDomain = try json.string()
            case "active": read.active = try Generation(from: &json)
            case "rotation": try read.takeRotation(&json)
            case "former":
                try json.array { (json) throws(RegistryModelError) in read.former.append(try Former(from: &json)) }
            case "unrecorded":
                try json.array { (json) throws(RegistryModelError) in
                    read.unrecorded.append(try AuthorityChange(from: &json))
                }
            default: try json.skip()
            }
        }
        self = read
    }

    private init() {}

    private mutating func takeRotation(_ json: inout JSONReader) throws(RegistryModelError) {
        var read = self
        try json.object { (json, name) throws(RegistryModelError) in
            switch name {
            case "phase": read.phase = try json.string()
            case "since": read.since = try json.timestamp()
            case "other": read.other = try Generation(from: &json)
            case "crossCertificate": read.crossCertificate = try json.string()
            default: try json.skip()
            }
        }
        self = read
    }
}

extension Parsed.Generation {
    fileprivate init(from json: inout JSONReader) throws(RegistryModelError) {
        var read = Self()
        try json.object { (json, name) throws(RegistryModelError) in
            switch name {
            case "root": read.root = try json.string()
            case "rootKey": read.rootKey = try json.string()
            case "issuer": read.issuer = try json.string()
            case "issuerKey": read.issuerKey = try json.string()
            default: try json.skip()
            }
        }
        self = read
    }

    /// - Throws: where certificates and keys don't belong together.
    fileprivate func generation() throws(IdentityError) -> AuthorityGeneration {
        let root = try AuthorityFile.one(root)
        let rootKey = try rootKey.map { (pem) throws(IdentityError) in try Certificate.PrivateKey(authorityPEM: pem) }
        let issuer = try AuthorityFile.one(issuer)
        let issuerKey = try Certificate.PrivateKey(authorityPEM: issuerKey)
        if let rootKey, rootKey.publicKey != root.publicKey {
            throw IdentityError(.storage, "a root's key is not its own")
        }
        guard issuerKey.publicKey == issuer.publicKey else {
            throw IdentityError(.storage, "an issuer's key is not its own")
        }
        guard root.publicKey.isValidSignature(issuer.signature, for: issuer) else {
            throw IdentityError(.storage, "an issuer is not signed by its root")
        }
        return AuthorityGeneration(root: root, rootKey: rootKey, issuer: issuer, issuerKey: issuerKey)
    }
}

extension Parsed.Former {
    fileprivate init(from json: inout JSONReader) throws(RegistryModelError) {
        var read = Self()
        try json.object { (json, name) throws(RegistryModelError) in
            switch name {
            case "root": read.root = try json.string()
            case "crossCertificate": read.crossCertificate = try json.string()
            case "until": read.until = try json.timestamp()
            default: try json.skip()
            }
        }
        self = read
    }

    /// - Throws: where the one did not sign the other.
    fileprivate func formerRoot() throws(IdentityError) -> FormerRoot {
        let root = try AuthorityFile.one(root)
        let cross = try AuthorityFile.one(crossCertificate)
        guard root.publicKey.isValidSignature(cross.signature, for: cross) else {
            throw IdentityError(.storage, "a root's successor is not signed by it")
        }
        return FormerRoot(root: root, crossCertificate: cross, until: until)
    }
}

extension Certificate.PrivateKey {
    /// - Throws: `malformed-certificate`; never with what was read.
    init(authorityPEM pem: String) throws(IdentityError) {
        do {
            try self.init(pemEncoded: pem)
        } catch {
            throw IdentityError(.malformedCertificate, "this is no PEM of a private key")
        }
    }

    func pem() throws(IdentityError) -> String {
        do {
            return try serializeAsPEM().pemString + "\n"
        } catch {
            throw IdentityError(.malformedCertificate, "a private key can't be written")
        }
    }
}

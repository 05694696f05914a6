public import Identity
import NIOHTTP1
public import RegistryModel

/// A certificate as the registry handed it out.
public struct IssuedCertificate: Sendable, Equatable {
    public var serial = ""
    public var spiffeID = ""
    /// PEM: the leaf, then its issuer.
    public var certificate = ""
    public var notAfter = Timestamp(rawValue: 0)
    /// Of a person; empty for none.
    public var role = ""
}

/// By what right a certificate is asked for.
public enum IssuingGrounds: Sendable {
    /// The connection's own: an operator's socket or certificate, or the certificate that is renewed.
    case connection
    case token(JoinToken)
    /// A lapsed certificate with its issuer, PEM, and proof of its key (``WorkloadKey/proof(ofRejoiningBy:)``).
    case rejoin(certificate: String, proof: [UInt8])
}

/// A certificate that is on record.
public struct CertificateEntry: Sendable, Equatable {
    public var serial = ""
    public var spiffeID = ""
    public var notAfter = Timestamp(rawValue: 0)
    public var isRevoked = false
}

/// The registry as a certificate authority.
public struct AuthorityReport: Sendable, Equatable {
    public struct Certificate: Sendable, Equatable {
        public var subject = ""
        /// `sha256:…` of the public key.
        public var keyHash = ""
        public var notAfter = Timestamp(rawValue: 0)
    }

    /// One root that hands over to another.
    public struct Rotation: Sendable, Equatable {
        /// `overlap`: both are believed, the old one signs. `retiring`: the new one signs.
        public var phase = ""
        public var since = Timestamp(rawValue: 0)
        /// When the phase ends by itself.
        public var nextAt = Timestamp(rawValue: 0)
        /// The root that does not sign.
        public var other = Certificate()
    }

    /// A root that is believed no more, and from which the registry's door still leads to its successor.
    public struct FormerRoot: Sendable, Equatable {
        public var keyHash = ""
        public var until = Timestamp(rawValue: 0)
        public var pem = ""
    }

    public var trustDomain = ""
    /// That signs.
    public var root = Certificate()
    public var issuer = Certificate()
    /// False where the root's key is kept elsewhere: a new issuer must be installed in time.
    public var issuerRenewsItself = true
    /// nil: none is under way.
    public var rotation: Rotation?
    public var formerRoots: [FormerRoot] = []
    /// The roots to believe, PEM.
    public var bundle = ""
}

extension RegistryConnection {
    public func authority() async throws(RegistryClientError) -> AuthorityReport {
        try await send(.GET, "/v1/trust-bundle").read { (json) throws(RegistryModelError) in
            try AuthorityReport(from: &json)
        }
    }

    /// Begins to hand over to a new root.
    ///
    /// - Parameter finish: ends the last phase of a rotation early instead.
    /// - Throws: `rotation-under-way`, `no-rotation`, `old-root-in-use`.
    public func rotateAuthority(finish: Bool) async throws(RegistryClientError) -> AuthorityReport {
        var json = JSONWriter()
        json.beginObject()
        json.member("finish", finish)
        json.endObject()
        let answer = try await send(.POST, "/v1/authority/rotate", body: json.bytes)
        return try answer.read { (json) throws(RegistryModelError) in try AuthorityReport(from: &json) }
    }

    /// Hands over to an authority from elsewhere; by the operator's socket alone.
    ///
    /// - Parameter pem: certificates, and one private key.
    /// - Throws: `unfit-authority`, `rotation-under-way`.
    public func installAuthority(pem: String) async throws(RegistryClientError) -> AuthorityReport {
        var json = JSONWriter()
        json.beginObject()
        json.member("pem", pem)
        json.endObject()
        let answer = try await send(.POST, "/v1/authority/install", body: json.bytes)
        return try answer.read { (json) throws(RegistryModelError) in try AuthorityReport(from: &json) }
    }

    /// Has a key signed for a service, by the operator's act.
    ///
    /// - Parameter request: PEM of a certificate signing request.
    public func issueCertificate(
        service: ServiceName,
        request: String
    ) async throws(RegistryClientError) -> IssuedCertificate {
        try await issueCertificate(for: .service(service), request: request)
    }

    /// Has a key signed.
    ///
    /// - Parameters:
    ///   - request: PEM of a certificate signing request.
    ///   - grounds: by what right; left out, by the connection's own certificate or socket.
    ///   - role: of a person, for an operator who issues it.
    ///   - life: shorter than the registry's own; nil: that.
    public func issueCertificate(
        for subject: SPIFFEID.Subject,
        request: String,
        on grounds: IssuingGrounds = .connection,
        role: PersonRole? = nil,
        life: Duration? = nil
    ) async throws(RegistryClientError) -> IssuedCertificate {
        var headers: [(name: String, value: String)] = []
        var json = JSONWriter()
        json.beginObject()
        switch subject {
        case .service(let service): json.member("service", service.description)
        case .user(let login): json.member("user", login.description)
        }
        json.member("csr", request)
        if let role { json.member("role", role.description) }
        if let life { json.member("lifeMs", life.milliseconds) }
        switch grounds {
        case .connection: break
        case .token(let token): headers.append(("authorization", "Bearer \(token.text)"))
        case .rejoin(let certificate, let proof):
            json.key("rejoin")
            json.beginObject()
            json.member("certificate", certificate)
            json.member("proof", Base64URL.encode(proof))
            json.endObject()
        }
        json.endObject()
        let answer = try await send(.POST, "/v1/certificates", headers: headers, body: json.bytes)
        return try answer.read { (json) throws(RegistryModelError) in
            var issued = IssuedCertificate()
            try json.object { (json, name) throws(RegistryModelError) in
                switch name {
                case "serial": issued.serial = try json.string()
                case "spiffeId": issued.spiffeID = try json.string()
                case "role": issued.role = try json.string()
                case "certificate": issued.certificate = try json.string()
                case "notAfter": issued.notAfter = try json.timestamp()
                default: try json.skip()
                }
            }
            return issued
        }
    }

    public func certificates() async throws(RegistryClientError) -> [CertificateEntry] {
        try await send(.GET, "/v1/certificates").read { (json) throws(RegistryModelError) in
            var entries: [CertificateEntry] = []
            try json.object { (json, name) throws(RegistryModelError) in
                guard name == "certificates" else { return try json.skip() }
                try json.array { (json) throws(RegistryModelError) in entries.append(try CertificateEntry(from: &json))
                }
            }
            return entries
        }
    }

    public func revokeCertificate(serial: String) async throws(RegistryClientError) {
        _ = try await send(.DELETE, "/v1/certificates/\(PercentCoding.encoded(serial))")
    }

    /// Revokes every certificate of a service that was issued until now.
    public func revokeCertificates(of service: ServiceName) async throws(RegistryClientError) {
        var json = JSONWriter()
        json.beginObject()
        json.member("service", service.description)
        json.endObject()
        _ = try await send(.POST, "/v1/certificates/deny", body: json.bytes)
    }
}

extension AuthorityReport {
    fileprivate init(from json: inout JSONReader) throws(RegistryModelError) {
        var read = Self()
        try json.object { (json, name) throws(RegistryModelError) in
            switch name {
            case "trustDomain": read.trustDomain = try json.string()
            case "root": read.root = try Certificate(from: &json)
            case "issuer": read.issuer = try Certificate(from: &json)
            case "issuerRenewsItself": read.issuerRenewsItself = try json.bool()
            case "rotation": read.rotation = try Rotation(from: &json)
            case "former":
                try json.array { (json) throws(RegistryModelError) in
                    read.formerRoots.append(try FormerRoot(from: &json))
                }
            case "pem": read.bundle = try json.string()
            default: try json.skip()
            }
        }
        self = read
    }
}

extension AuthorityReport.FormerRoot {
    fileprivate init(from json: inout JSONReader) throws(RegistryModelError) {
        var read = Self()
        try json.object { (json, name) throws(RegistryModelError) in
            switch name {
            case "keyHash": read.keyHash = try json.string()
            case "until": read.until = try json.timestamp()
            case "pem": read.pem = try json.string()
            default: try json.skip()
            }
        }
        self = read
    }
}

extension AuthorityReport.Rotation {
    fileprivate init(from json: inout JSONReader) throws(RegistryModelError) {
        var read = Self()
        try json.object { (json, name) throws(RegistryModelError) in
            switch name {
            case "phase": read.phase = try json.string()
            case "since": read.since = try json.timestamp()
            case "nextAt": read.nextAt = try json.timestamp()
            case "next", "last": read.other = try AuthorityReport.Certificate(from: &json)
            default: try json.skip()
            }
        }
        self = read
    }
}

extension AuthorityReport.Certificate {
    fileprivate init(from json: inout JSONReader) throws(RegistryModelError) {
        var read = Self()
        try json.object { (json, name) throws(RegistryModelError) in
            switch name {
            case "subject": read.subject = try json.string()
            case "keyHash": read.keyHash = try json.string()
            case "notAfter": read.notAfter = try json.timestamp()
            default: try json.skip()
            }
        }
        self = read
    }
}

extension CertificateEntry {
    fileprivate init(from json: inout JSONReader) throws(RegistryModelError) {
        var read = Self()
        try json.object { (json, name) throws(RegistryModelError) in
            switch name {
            case "serial": read.serial = try json.string()
            case "spiffeId": read.spiffeID = try json.string()
            case "notAfter": read.notAfter = try json.timestamp()
            case "revoked": read.isRevoked = try json.bool()
            default: try json.skip()
            }
        }
        self = read
    }
}

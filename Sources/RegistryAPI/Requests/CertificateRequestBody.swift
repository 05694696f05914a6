import Identity
import NIOCore
import RegistryModel
import X509

/// `{"service"|"user": NAME, "csr": PEM, "role"?, "lifeMs"?, "rejoin"?: {"certificate": PEM, "proof": base64url}}`, checked.
struct CertificateRequestBody: Sendable {
    /// Proof of a lapsed certificate's key.
    struct Rejoin: Sendable {
        var certificate: Certificate
        var proof: [UInt8]
    }

    var subject: SPIFFEID.Subject
    var request: SVIDRequest
    /// The request as it came: what a proof is over.
    var pem: String
    var role: PersonRole?
    /// Shorter than ``CertificateAuthority/leafLife``; nil: that.
    var life: Duration?
    var rejoin: Rejoin?

    private static let members = ["service", "user", "csr", "role", "lifeMs", "rejoin"]
    /// In which a certificate can be got and used at all.
    private static let shortestLife = Duration.seconds(60)

    init(_ body: ByteBuffer) throws {
        var text: [String: String] = [:]
        var lapsed: [String: String]?
        var life: Duration?
        try RequestBody.parse(body) { (reader) throws(RegistryModelError) in
            try reader.object { (reader, key) throws(RegistryModelError) in
                switch key {
                case "service", "user", "csr", "role": text[key] = try reader.string()
                case "lifeMs": life = .milliseconds(try reader.integer(as: Int64.self))
                case "rejoin": lapsed = try Self.texts(&reader, ["certificate", "proof"])
                default: throw Registration.unknownMember(key, among: Self.members)
                }
            }
        }
        self.life = life
        guard let csr = text["csr"] else { throw RegistryModelError(.missingField, "csr is missing: PEM of a request") }
        pem = csr
        request = try SVIDRequest(pem: csr)
        switch (text["service"], text["user"]) {
        case (let service?, nil): subject = .service(try ServiceName(service))
        case (nil, let user?): subject = .user(try Login(user))
        default: throw RegistryModelError(.missingField, "service or user is due, one of them")
        }
        if let life, life < Self.shortestLife || life > CertificateAuthority.leafLife {
            throw RegistryModelError(.invalidField, "lifeMs is a minute to a day")
        }
        if let name = text["role"] {
            guard let role = PersonRole(name), case .user = subject else {
                throw RegistryModelError(.invalidField, "role is auditor or operator, and a person's")
            }
            self.role = role
        }
        if let lapsed {
            guard let certificate = lapsed["certificate"], let proof = lapsed["proof"].flatMap({ Base64URL.decode($0) })
            else { throw RegistryModelError(.missingField, "rejoin needs certificate (PEM) and proof (base64url)") }
            rejoin = Rejoin(certificate: try X509SVID(pem: certificate).leaf, proof: proof)
        }
    }

    private static func texts(
        _ reader: inout JSONReader,
        _ names: [String]
    ) throws(RegistryModelError) -> [String: String] {
        var texts: [String: String] = [:]
        try reader.object { (reader, key) throws(RegistryModelError) in
            guard names.contains(key) else { throw Registration.unknownMember(key, among: names) }
            texts[key] = try reader.string()
        }
        return texts
    }
}

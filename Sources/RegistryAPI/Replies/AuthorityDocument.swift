import Identity
import RegistryModel

/// The certificate authority as people ask for it: roots, issuer, and what changes hands.
struct AuthorityDocument: Sendable {
    struct Rotation: Sendable {
        var phase: AuthorityRotation.Phase
        var since: Timestamp
        var nextAt: Timestamp
        var other: CertificateSummary
    }

    let trustDomain: TrustDomain
    let root: CertificateSummary
    let issuer: CertificateSummary
    let renewsItself: Bool
    let rotation: Rotation?
    let formerRoots: [(root: CertificateSummary, pem: String, until: Timestamp)]
    let bundle: String

    init(_ authority: CertificateAuthority, _ schedule: RotationSchedule) throws(IdentityError) {
        trustDomain = authority.trustDomain
        root = try CertificateSummary(authority.root)
        issuer = try CertificateSummary(authority.issuer)
        renewsItself = authority.active.renewsItself
        rotation = try authority.rotation.map { (rotation) throws(IdentityError) in
            Rotation(
                phase: rotation.phase,
                since: rotation.since,
                nextAt: schedule.end(of: rotation),
                other: try CertificateSummary(rotation.other.root)
            )
        }
        formerRoots = try authority.formerRoots.map { (former) throws(IdentityError) in
            (try CertificateSummary(former.root), try TrustBundle(roots: [former.root]).pem, former.until)
        }
        bundle = try authority.bundle.pem
    }

    func write(to json: inout JSONWriter) {
        json.beginObject()
        json.member("trustDomain", trustDomain.description)
        json.key("root")
        Self.write(root, to: &json)
        json.key("issuer")
        Self.write(issuer, to: &json)
        json.member("issuerRenewsItself", renewsItself)
        if let rotation {
            json.key("rotation")
            json.beginObject()
            json.member("phase", rotation.phase.rawValue)
            json.member("since", rotation.since)
            json.member("nextAt", rotation.nextAt)
            json.key(rotation.phase == .overlap ? "next" : "last")
            Self.write(rotation.other, to: &json)
            json.endObject()
        }
        if !formerRoots.isEmpty {
            json.key("former")
            json.beginArray()
            for former in formerRoots {
                json.beginObject()
                Self.writeMembers(former.root, to: &json)
                json.member("until", former.until)
                json.member("pem", former.pem)
                json.endObject()
            }
            json.endArray()
        }
        json.member("pem", bundle)
        json.endObject()
    }

    private static func write(_ certificate: CertificateSummary, to json: inout JSONWriter) {
        json.beginObject()
        writeMembers(certificate, to: &json)
        json.endObject()
    }

    private static func writeMembers(_ certificate: CertificateSummary, to json: inout JSONWriter) {
        json.member("subject", certificate.subject)
        json.member("keyHash", certificate.keyHash)
        json.member("notAfter", certificate.notAfter)
    }
}

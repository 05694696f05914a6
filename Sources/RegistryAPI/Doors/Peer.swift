import Identity
import RegistryModel

/// Who is at the other end of a connection: what he may do, and as whom he goes on record.
struct Peer: Sendable, Equatable {
    /// What somebody is to the registry, least first.
    enum Role: Sendable, Equatable, CustomStringConvertible {
        /// Without a certificate: may read the bundle and the health, and ask for a certificate by a token.
        case nobody
        /// A person without a part in running the registry: looks up and watches.
        case user
        /// A service's certificate: looks up, watches, and keeps its own key lineage's instances.
        case workload(ServiceName, lineage: String)
        /// Reads everything, certificates and tokens included; changes nothing.
        case auditor
        case `operator`

        var description: String {
            switch self {
            case .nobody: "nobody"
            case .user: "user"
            case .workload: "workload"
            case .auditor: "auditor"
            case .operator: "operator"
            }
        }
    }

    var role: Role
    var actor: Actor
    /// IP address of a TCP peer; empty for a Unix socket.
    var host = ""
    /// Of the certificate that the peer showed.
    var certificate: Credential?

    /// What there is to know of a peer's certificate later on.
    struct Credential: Sendable, Equatable {
        var id: SPIFFEID
        var serial: String
        /// SHA-256 of its public key: a renewal's lineage goes back to it.
        var keyHash: [UInt8]
        var lineage: [UInt8]
        /// `sha256:…` over its DER: an instance's `tlsCert`.
        var fingerprint: String
        var role: PersonRole?
        var issuedAt: Timestamp
        var notAfter: Timestamp

        /// As what a renewal follows.
        var record: CertificateRecord {
            var record = CertificateRecord(
                serial: serial,
                spiffeID: id.description,
                keyHash: keyHash,
                lineage: lineage,
                notAfter: notAfter
            )
            record.role = role
            return record
        }
    }

    static func socket(uid: UInt32) -> Peer {
        Peer(role: .operator, actor: Actor(.uid(uid)))
    }

    static func nobody(host: String = "", at place: String = "") -> Peer {
        Peer(role: .nobody, actor: Actor(.spiffeID(""), peer: place), host: host)
    }
}

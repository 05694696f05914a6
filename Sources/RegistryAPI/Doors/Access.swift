import RegistryModel

/// Who may use a resource: the one place where roles are weighed. What a workload may do to *which* instance is decided
/// with the command (`CommandHandler`), where the instance is known.
enum Access: Sendable {
    /// Bundle, health, a request for a certificate.
    case anyone
    /// Look-ups and watches.
    case members
    /// Writes about one's own instances.
    case owners
    /// Certificates and tokens.
    case auditors
    case operators

    /// - Throws: `read-only-door` or `not-allowed`, which say what would be allowed.
    func check(_ peer: Peer, at door: Door) throws(ProblemDetails) {
        switch door {
        case .plain, .metrics:
            switch self {
            case .anyone, .members: return
            case .owners, .auditors, .operators: throw .readOnlyDoor
            }
        case .operators, .tls: try check(peer.role)
        }
    }

    private func check(_ role: Peer.Role) throws(ProblemDetails) {
        switch (self, role) {
        case (.anyone, _), (_, .operator): return
        case (.members, .user), (.members, .workload), (.members, .auditor): return
        case (.owners, .workload): return
        case (.auditors, .auditor): return
        case (_, .nobody):
            throw .notAllowed(
                "this needs a certificate of the registry's trust domain, and none was shown",
                hint: "join with a token: hms-reg login, or hms-mesh with HMS_TOKEN set"
            )
        case (_, .user): throw .notAllowed("a person without a role looks up and watches, and no more")
        case (_, .workload): throw .notAllowed("a service may look up, watch and keep its own instances, and no more")
        case (_, .auditor): throw .notAllowed("an auditor reads, and changes nothing")
        }
    }
}

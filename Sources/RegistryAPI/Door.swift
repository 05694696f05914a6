import RegistryModel

/// Where a connection came in: what may be done there, and who it is.
public enum Door: Sendable, Equatable {
    /// The operator's socket: everything; the peer's user id is the credential.
    case operators
    /// Loopback, reads only.
    case plain
    /// Metrics, health and targets only.
    case metrics

    var mayWrite: Bool {
        self == .operators
    }
}

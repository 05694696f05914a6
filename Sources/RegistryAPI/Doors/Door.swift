import RegistryModel

/// Where a connection came in: what may be done there, and who it is.
public enum Door: Sendable, Equatable {
    /// The operator's socket: everything; the peer's user id is the credential.
    case operators
    /// TLS on the network: what may be done is a matter of the peer's certificate.
    case tls
    /// Loopback, reads only.
    case plain
    /// Metrics, health and targets only.
    case metrics
}

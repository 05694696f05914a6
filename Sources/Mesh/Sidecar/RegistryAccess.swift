import RegistryClient
import Synchronization

/// The registry as this sidecar reaches it: where, and by which credentials at the moment.
///
/// Whoever connects asks at each connection, since certificates are renewed meanwhile. A socket needs no credentials.
final class RegistryAccess: Sendable {
    let address: RegistryAddress
    private let current = Mutex<RegistryCredentials?>(nil)

    init(_ address: RegistryAddress) {
        self.address = address
    }

    var credentials: RegistryCredentials? {
        current.withLock { $0 }
    }

    /// From the next connection on.
    func use(_ credentials: RegistryCredentials?) {
        guard address.isTLS else { return }
        current.withLock { $0 = credentials }
    }

    /// Connects for the time of `body`.
    func withConnection<R: Sendable>(
        timeout: Duration = RegistryConnection.defaultTimeout,
        isolation: isolated (any _Concurrency.Actor)? = #isolation,
        _ body: (RegistryConnection) async throws -> R
    ) async throws -> R {
        try await RegistryConnection.withConnection(
            to: address,
            credentials: credentials,
            timeout: timeout,
            isolation: isolation,
            body
        )
    }
}

import Identity
import RegistryClient
import RegistryModel
import Terminal

/// An operator's certificate, to ask sidecars elsewhere by: the one of `hms-reg login`; at the registry's socket one for an
/// hour, replaced before it ends.
actor OperatorCredentials {
    private static let certificateLife = Duration.seconds(3_600)
    /// For so long one is used before it is looked for anew.
    private static let useAtSocket = Duration.seconds(1_800)
    private static let useOfLogin = Duration.seconds(60)

    private let address: RegistryAddress
    private var kept: (credentials: RegistryCredentials, until: ContinuousClock.Instant)?
    /// Whoever asks meanwhile gets the same one.
    private var asking: Task<RegistryCredentials, any Error>?

    init(at address: RegistryAddress) {
        self.address = address
    }

    /// - Throws: exit code 3 where the registry does not answer, 4 where it gives none.
    func current() async throws -> RegistryCredentials {
        if let kept, ContinuousClock.now < kept.until { return kept.credentials }
        if let asking { return try await asking.value }
        let asking = Task { [address] in try await Self.obtain(at: address) }
        self.asking = asking
        defer { self.asking = nil }
        let credentials = try await asking.value
        kept = (credentials, ContinuousClock.now + (address.isTLS ? Self.useOfLogin : Self.useAtSocket))
        return credentials
    }

    private static func obtain(at address: RegistryAddress) async throws -> RegistryCredentials {
        do {
            guard address.isTLS else {
                let login = try PersonalSidecar.login
                return try await RegistryConnection.withConnection(to: address) { connection in
                    try await connection.issueCredentials(for: .user(login), role: .operator, life: certificateLife)
                }
            }
            let store = IdentityStore(for: address, environment: Environment.variable)
            let stored = try await store.loadFresh(at: address)
            guard let credentials = stored, credentials.identity != nil else {
                throw CommandError(
                    "You are not logged in at \(address)",
                    hint: "hms-reg login     with a token of the role operator",
                    exitCode: .notAllowed
                )
            }
            return credentials
        } catch let error as RegistryClientError {
            throw CommandError(
                error.message,
                hint: error.hint,
                exitCode: error.isRefusal ? .notAllowed : .unreachable
            )
        }
    }
}

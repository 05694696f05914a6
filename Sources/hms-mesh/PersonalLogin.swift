import Mesh
import RegistryClient
import Terminal

/// The identity that `hms-reg login` keeps, of a program that runs for longer than a certificate is good.
struct PersonalLogin: Sendable {
    private static let period = Duration.seconds(600)

    private let address: RegistryAddress

    init(at address: RegistryAddress) {
        self.address = address
    }

    /// Renews it where that is due. Whoever uses it then is told what is wrong with it.
    func refresh() async {
        guard address.isTLS else { return }
        _ = try? await IdentityStore(for: address, environment: Environment.variable).loadFresh(at: address)
    }

    /// Until the task is cancelled.
    func keepFresh() async {
        while await Task.pause(for: Self.period) { await refresh() }
    }
}

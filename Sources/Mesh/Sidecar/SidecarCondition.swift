import Identity
import RegistryModel
import Synchronization

/// What changes about a sidecar as a whole, readable from everywhere.
final class SidecarCondition: Sendable {
    private struct State {
        var health = Health.starting
        var isDraining = false
        var registryLostSince: Timestamp?
        var denied = DenyList()
    }

    private let state = Mutex(State())

    var health: Health {
        get { state.withLock { $0.isDraining ? .draining : $0.health } }
        set { state.withLock { $0.health = newValue } }
    }

    var isDraining: Bool { state.withLock { $0.isDraining } }
    var denied: DenyList { state.withLock { $0.denied } }
    var registryLostSince: Timestamp? { state.withLock { $0.registryLostSince } }

    func beginDraining() {
        state.withLock { $0.isDraining = true }
    }

    /// - Returns: whether it is another one than before.
    func use(_ denied: DenyList) -> Bool {
        state.withLock { state in
            guard state.denied != denied else { return false }
            state.denied = denied
            return true
        }
    }

    func registryIs(connected: Bool, now: Timestamp) {
        state.withLock { $0.registryLostSince = connected ? nil : $0.registryLostSince ?? now }
    }
}

/// Brings a new certificate, bundle or deny list to every loop.
struct CredentialUpdate: Sendable {
    let identity: WorkloadIdentity
    let condition: SidecarCondition
    let loops: SidecarLoops

    func apply() async throws {
        guard let svid = await identity.svid, let bundle = await identity.bundle else { return }
        let credentials = try MeshCredentials(
            svid: svid,
            key: await identity.key,
            bundle: bundle,
            denyList: condition.denied
        )
        // Before anything listens it must be there, and afterwards the order of changes must hold.
        _ = try await loops.map { $0.use(credentials) }
    }
}

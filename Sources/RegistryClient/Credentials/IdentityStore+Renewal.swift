import Identity
import RegistryModel

extension IdentityStore {
    /// What is kept, fit for use: renewed first where a third of its life is over, and taken up again by its key where it has
    /// ended. What is new is kept.
    ///
    /// - Throws: the registry's reason where an identity that has ended is not taken up again.
    public func loadFresh(at address: RegistryAddress) async throws -> RegistryCredentials? {
        guard let kept = try load() else { return nil }
        return try await fresh(kept, at: address)
    }

    /// The same of credentials that were read already.
    public func fresh(_ kept: RegistryCredentials, at address: RegistryAddress) async throws -> RegistryCredentials {
        let now = WallClock.now()
        guard let svid = kept.identity?.svid, svid.renewAfter < now else { return kept }
        let isLapsed = svid.notAfter < now
        do {
            let fresh = try await isLapsed ? kept.rejoined(at: address) : kept.renewed(at: address)
            try store(fresh)
            return fresh
        } catch let error as RegistryClientError where !isLapsed && error.code != .certificateRefused {
            // It is good for a while yet: what is wrong is said by what follows.
            return kept
        }
    }
}

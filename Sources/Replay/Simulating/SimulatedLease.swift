import RegistryModel

/// A lease in a ``SimulationRun``: as it was recorded, and as it is supposed.
struct SimulatedLease {
    /// How a lease stands.
    struct Standing {
        var health: Health
        var cause: TransitionCause
        var unhealthySince: Timestamp
        /// When it was marked for silence; nil while it isn't.
        var expiredAt: Timestamp?
        var isGone = false
    }

    let instance: Instance
    let service: Int
    let handle: UInt64
    var recorded: Standing
    var supposed: Standing
    /// The second in which it is to be looked at; entries of the wheel for another are stale, or a lap early.
    var dueAt: Int64?
    var isFree = false
}

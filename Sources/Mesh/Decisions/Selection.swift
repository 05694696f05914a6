import NIOCore
import RegistryModel

/// What comes of asking a service for an instance.
enum Selection: Sendable {
    case instance(RoutedInstance, Candidates)
    /// The registry knows no such service, or has not spoken of it yet (``Upstream/routes`` is nil then).
    case unknown
    case noInstances(why: String)
    case breakerOpen(why: String, retryAfter: TimeAmount)
    /// The bound of calls in flight, in words.
    case overloaded(String)
}

/// Among how many an instance was picked.
struct Candidates: Sendable {
    /// Healthy or degraded, and not left out.
    var usable = 0
    /// All that are registered.
    var total = 0
    /// Whom this caller leaves out by its own judgement though the registry offers them: at most ``limit``.
    var leftOut: [(InstanceKey, reason: String)] = []

    static let limit = 8
}

import NIOCore
import RegistryModel

/// The rules of one call.
struct CallRules: Sendable, Equatable {
    /// More tries after the first.
    var retries: Int
    /// From the request's head to the answer's head, all tries together.
    var timeout: TimeAmount
    /// Of one try; nil: ``firstTryShare`` of the timeout for the first try of a repeatable request, else what is left.
    var perTryTimeout: TimeAmount?

    static let builtIn = CallRules(retries: 2, timeout: .seconds(15), perTryTimeout: nil)

    /// How much of the timeout the first try of a repeatable request gets, so that a second one has time.
    static let firstTryShare = 0.6
    /// However many a source asks for.
    static let maximumRetries = 10

    /// How long a try may take.
    ///
    /// - Parameters:
    ///   - triesDone: tries of this call that have ended.
    ///   - remaining: what is left of the call's time.
    func tryTimeout(isRepeatable: Bool, triesDone: Int, remaining: TimeAmount) -> TimeAmount {
        if let perTryTimeout { return min(perTryTimeout, remaining) }
        return isRepeatable ? connectTimeout(triesDone: triesDone, remaining: remaining) : remaining
    }

    /// How long a try may take to get a connection: nothing is delivered before, so that any request may be sent elsewhere,
    /// and the first try must leave time for it.
    func connectTimeout(triesDone: Int, remaining: TimeAmount) -> TimeAmount {
        if let perTryTimeout { return min(perTryTimeout, remaining) }
        guard triesDone == 0, retries > 0 else { return remaining }
        return min(.nanoseconds(Int64(Double(timeout.nanoseconds) * Self.firstTryShare)), remaining)
    }
}

/// What one source says of the rules; nil is left to the next.
struct RuleSet: Sendable, Equatable {
    var retries: Int?
    var timeout: TimeAmount?
    var perTryTimeout: TimeAmount?

    static let silent = RuleSet()
}

extension RuleSet {
    init(_ policy: MeshPolicy) {
        retries = policy.retries.map(Int.init)
        timeout = policy.timeoutMilliseconds.map(Self.amount)
        perTryTimeout = policy.perTryTimeoutMilliseconds.map(Self.amount)
    }

    private static func amount(milliseconds: UInt64) -> TimeAmount {
        .milliseconds(Int64(clamping: milliseconds))
    }
}

/// Where a rule comes from, the strongest first.
enum RuleSource: String, Sendable, CaseIterable, CustomStringConvertible {
    /// The call's own options.
    case call
    /// The caller's `mesh.upstreams.<service>`.
    case upstream
    /// The registry's policy for the service called.
    case registry
    /// The caller's `mesh:` block.
    case mesh
    case builtIn = "built-in"

    var description: String {
        rawValue
    }
}

/// The rules of a call, each with its source.
struct ResolvedRules: Sendable, Equatable {
    var rules: CallRules
    var retriesSource: RuleSource
    var timeoutSource: RuleSource
    var perTryTimeoutSource: RuleSource
}

/// Whose rules: for each value, the first source that says anything of it.
func resolve(call: RuleSet, upstream: RuleSet, registry: MeshPolicy?, mesh: RuleSet) -> ResolvedRules {
    var resolved = ResolvedRules(
        rules: .builtIn,
        retriesSource: .builtIn,
        timeoutSource: .builtIn,
        perTryTimeoutSource: .builtIn
    )
    // The strongest comes last and stays.
    resolved.take(mesh, from: .mesh)
    if let registry { resolved.take(RuleSet(registry), from: .registry) }
    resolved.take(upstream, from: .upstream)
    resolved.take(call, from: .call)
    return resolved
}

extension ResolvedRules {
    fileprivate mutating func take(_ said: RuleSet, from source: RuleSource) {
        if let retries = said.retries {
            rules.retries = min(max(0, retries), CallRules.maximumRetries)
            retriesSource = source
        }
        if let timeout = said.timeout {
            rules.timeout = timeout
            timeoutSource = source
        }
        if let perTryTimeout = said.perTryTimeout {
            rules.perTryTimeout = perTryTimeout
            perTryTimeoutSource = source
        }
    }
}

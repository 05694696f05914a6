import NIOCore

/// Bounds the retries of a sidecar to a service, so that a service in trouble is not buried under them: each first try
/// adds a fifth of a retry, each second one.
struct RetryBudget: Sendable, Equatable {
    static let perFirstTry = 0.2
    static let perSecond = 1.0
    static let cap = 100.0
    /// What a sidecar begins with: the retries of one call.
    static let initial = 2.0

    private var stock = Self.initial
    /// Up to when ``perSecond`` is counted; nil before the first call.
    private var stamp: NIODeadline?

    mutating func firstTry(now: NIODeadline) {
        refill(now)
        stock = min(stock + Self.perFirstTry, Self.cap)
    }

    /// - Returns: false where nothing is left.
    mutating func takeRetry(now: NIODeadline) -> Bool {
        refill(now)
        guard stock >= 1 else { return false }
        stock -= 1
        return true
    }

    func balance(now: NIODeadline) -> Double {
        guard let stamp, now > stamp else { return stock }
        return min(stock + Double((now - stamp).nanoseconds) / 1e9 * Self.perSecond, Self.cap)
    }

    private mutating func refill(_ now: NIODeadline) {
        stock = balance(now: now)
        stamp = max(stamp ?? now, now)
    }
}

import NIOCore

/// A moving average of latency that follows peaks at once and forgets them slowly (Finagle's Peak EWMA), so that a slow
/// instance is left alone at its first slow answer and tried again after a while.
struct PeakEWMA: Sendable, Equatable {
    /// How fast it forgets: after this long about two fifths of what was are left.
    static let decay = TimeAmount.seconds(10)
    /// Nothing is quicker: keeps calls in flight in the balance where latencies are too small to tell.
    static let minimum = TimeAmount.microseconds(1)

    /// Nanoseconds at `stamp`.
    private var value: Double
    private var stamp: NIODeadline
    /// False until something was measured.
    private(set) var isMeasured: Bool

    /// Begins at a guess.
    init(guess: TimeAmount, now: NIODeadline) {
        value = Double(guess.nanoseconds)
        stamp = now
        isMeasured = false
    }

    mutating func observe(_ latency: TimeAmount, now: NIODeadline) {
        let observed = Double(max(0, latency.nanoseconds))
        let kept = Self.kept(since: stamp, now: now)
        value = observed >= value * kept ? observed : value * kept + observed * (1 - kept)
        stamp = max(stamp, now)
        isMeasured = true
    }

    /// In nanoseconds, at least ``minimum``; what was not renewed fades, so that whoever was avoided is tried again.
    func estimate(now: NIODeadline) -> Double {
        max(value * Self.kept(since: stamp, now: now), Double(Self.minimum.nanoseconds))
    }

    /// The weight of the past: nearly e^-x, as (1 + x/8)^-8, which needs no exponential.
    private static func kept(since stamp: NIODeadline, now: NIODeadline) -> Double {
        guard now > stamp else { return 1 }
        let x = Double((now - stamp).nanoseconds) / Double(decay.nanoseconds)
        let root = 1 / (1 + x / 8)
        let fourth = root * root * root * root
        return fourth * fourth
    }
}

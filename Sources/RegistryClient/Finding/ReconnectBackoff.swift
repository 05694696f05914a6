/// How long to wait before the next try: exponential with full jitter (Brooker, "Exponential Backoff And Jitter"), so
/// that a registry that comes back is not met by everybody at once.
public struct ReconnectBackoff: Sendable, Equatable {
    public var base: Duration
    public var cap: Duration
    private var failures = 0

    public init(base: Duration = .milliseconds(200), cap: Duration = .seconds(10)) {
        self.base = base
        self.cap = cap
    }

    /// It worked: the next wait is short again.
    public mutating func reset() {
        failures = 0
    }

    /// - Parameter random: 0 to 1, at random.
    public mutating func next(random: Double) -> Duration {
        var ceiling = base
        for _ in 0..<min(failures, 16) where ceiling < cap { ceiling *= 2 }
        failures += 1
        return min(ceiling, cap) * min(1, max(0, random))
    }
}

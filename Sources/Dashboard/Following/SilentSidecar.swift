import RegistryModel

/// A sidecar elsewhere that does not answer: shown with its reason, and asked again more and more seldom.
struct SilentSidecar: Sendable, Equatable {
    private static let shortest = Duration.seconds(2)
    private static let longest = Duration.seconds(60)

    private(set) var reason: String
    private var pause: Duration
    private var retryAt: ContinuousClock.Instant

    init(reason: String, now: ContinuousClock.Instant) {
        self.reason = reason
        pause = Self.shortest
        retryAt = now + pause
    }

    mutating func failedAgain(_ reason: String, now: ContinuousClock.Instant) {
        self.reason = reason
        pause = min(pause * 2, Self.longest)
        retryAt = now + pause
    }

    func isDue(_ now: ContinuousClock.Instant) -> Bool { now >= retryAt }
}

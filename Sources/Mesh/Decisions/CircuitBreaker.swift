import NIOCore

/// Stops calls to a service of which nobody answers: it opens when every instance's last try failed to connect or timed
/// out, and lets one call a second through to see.
struct CircuitBreaker: Sendable, Equatable {
    /// Such tries in a row, over all instances, before it opens: one slow answer of a service with one instance opens
    /// nothing.
    static let threshold = 5
    static let probeInterval = TimeAmount.seconds(1)

    enum Admission: Sendable, Equatable {
        case pass
        /// Open, and this call goes to see.
        case probe
        case refuse(retryAfter: TimeAmount)
    }

    private(set) var silencesInARow = 0
    /// Set while it is open.
    private(set) var openSince: NIODeadline?
    private var nextProbe = NIODeadline.uptimeNanoseconds(0)

    /// The outcome of a try.
    ///
    /// - Parameter everyoneIsSilent: whether the last try of every instance was, this one counted.
    mutating func record(isSilence: Bool, everyoneIsSilent: Bool, now: NIODeadline) {
        silencesInARow = isSilence ? silencesInARow + 1 : 0
        reconsider(everyoneIsSilent: everyoneIsSilent, now: now)
    }

    /// Instances came or went.
    mutating func reconsider(everyoneIsSilent: Bool, now: NIODeadline) {
        guard everyoneIsSilent, silencesInARow >= Self.threshold else {
            openSince = nil
            return
        }
        if openSince == nil {
            openSince = now
            nextProbe = now + Self.probeInterval
        }
    }

    /// A call is about to be sent.
    mutating func admit(now: NIODeadline) -> Admission {
        guard openSince != nil else { return .pass }
        guard now >= nextProbe else { return .refuse(retryAfter: nextProbe - now) }
        nextProbe = now + Self.probeInterval
        return .probe
    }
}

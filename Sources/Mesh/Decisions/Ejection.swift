import NIOCore

/// Takes an instance that fails again and again out of use for a while: what one caller sees of one instance.
///
/// Whether it may be ejected is for the whole service to say (``Upstream``): at most half, never the last.
struct Ejection: Sendable, Equatable {
    /// Consecutive gateway failures that lead to an ejection.
    static let threshold = 5
    /// The first ejection; the n-th takes n times as long.
    static let base = TimeAmount.seconds(30)
    /// However often: 5 minutes.
    static let longest = TimeAmount.seconds(300)

    private(set) var failuresInARow = 0
    /// Set while it is ejected.
    private(set) var until: NIODeadline?
    /// Ejections without a long enough good time between them.
    private(set) var count = 0
    /// When and for how long it was ejected last: it has to do well for as long again to begin anew.
    private var lastEnd: NIODeadline?
    private var lastLength = TimeAmount.zero

    /// The outcome of a try of an instance.
    ///
    /// - Returns: whether it should be ejected now.
    mutating func record(isFailure: Bool) -> Bool {
        // Tries that began before it was ejected end while it is: they have had their effect.
        guard until == nil else { return false }
        failuresInARow = isFailure ? failuresInARow + 1 : 0
        return failuresInARow >= Self.threshold
    }

    mutating func eject(now: NIODeadline) {
        if let lastEnd, now - lastEnd > lastLength { count = 0 }
        count += 1
        lastLength = min(.nanoseconds(Self.base.nanoseconds * Int64(count)), Self.longest)
        until = now + lastLength
        lastEnd = until
    }

    /// Takes it back into use where its time is over.
    ///
    /// - Returns: whether it was ejected until now.
    mutating func endIfOver(now: NIODeadline) -> Bool {
        guard let until, until <= now else { return false }
        end(now: until)
        return true
    }

    mutating func end(now: NIODeadline) {
        until = nil
        lastEnd = now
        failuresInARow = 0
    }
}

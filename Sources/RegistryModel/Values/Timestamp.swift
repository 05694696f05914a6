/// A point in wall-clock time: nanoseconds since 1970-01-01T00:00:00Z, without leap seconds.
public struct Timestamp: RawRepresentable, Hashable, Comparable, Sendable {
    public let rawValue: Int64

    public init(rawValue: Int64) {
        self.rawValue = rawValue
    }

    public static func < (lhs: Timestamp, rhs: Timestamp) -> Bool {
        lhs.rawValue < rhs.rawValue
    }

    /// Whole seconds since 1970, as metrics say times.
    public var unixSeconds: Int64 {
        rawValue / 1_000_000_000
    }

    /// Saturates instead of trapping: event times come from files.
    public func advanced(by duration: Duration) -> Timestamp {
        let (sum, overflow) = rawValue.addingReportingOverflow(duration.nanoseconds)
        guard overflow else { return Timestamp(rawValue: sum) }
        return Timestamp(rawValue: duration < .zero ? .min : .max)
    }

    /// Time from `earlier` to this; negative where this is earlier.
    public func since(_ earlier: Timestamp) -> Duration {
        let (difference, overflow) = rawValue.subtractingReportingOverflow(earlier.rawValue)
        return .nanoseconds(overflow ? (rawValue < earlier.rawValue ? .min : .max) : difference)
    }
}

/// A point on the monotonic clock of this start of the machine, in nanoseconds. Deadlines, windows and back-off use it
/// and nothing else.
public struct MonotonicTime: RawRepresentable, Hashable, Comparable, Sendable {
    public let rawValue: Int64

    public init(rawValue: Int64) {
        self.rawValue = rawValue
    }

    public static func < (lhs: MonotonicTime, rhs: MonotonicTime) -> Bool {
        lhs.rawValue < rhs.rawValue
    }

    public func advanced(by duration: Duration) -> MonotonicTime {
        let (sum, overflow) = rawValue.addingReportingOverflow(duration.nanoseconds)
        guard overflow else { return MonotonicTime(rawValue: sum) }
        return MonotonicTime(rawValue: duration < .zero ? .min : .max)
    }

    public func since(_ earlier: MonotonicTime) -> Duration {
        .nanoseconds(rawValue &- earlier.rawValue)
    }
}

extension Duration {
    /// Whole nanoseconds, saturating at 292 years either way.
    public var nanoseconds: Int64 {
        let (seconds, attoseconds) = components
        let (product, overflow) = seconds.multipliedReportingOverflow(by: 1_000_000_000)
        let (sum, overflowInSum) = product.addingReportingOverflow(attoseconds / 1_000_000_000)
        guard overflow || overflowInSum else { return sum }
        return seconds < 0 ? .min : .max
    }

    /// Whole milliseconds, rounded down towards zero.
    public var milliseconds: Int64 {
        nanoseconds / 1_000_000
    }
}

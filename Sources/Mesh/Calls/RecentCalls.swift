import NIOCore

/// Counts of the calls of the last ten seconds, for people who look on: a ring of seconds, each with a histogram whose buckets
/// are an eighth of a power of two wide, so that a quantile is off by a sixteenth at most.
struct RecentCalls: Sendable {
    static let seconds = 10
    /// Eight for each power of two of microseconds, up to two minutes.
    private static let subdivisions = 8
    private static let bucketCount = 27 * subdivisions

    private struct Slot: Sendable {
        var second: Int64 = -1
        var counts = Summary()
    }

    /// What several loops, or several seconds, come to.
    struct Summary: Sendable {
        var requests: UInt64 = 0
        /// Neither a server's error nor one of the mesh's.
        var succeeded: UInt64 = 0
        /// Those that took more than one try.
        var retried: UInt64 = 0
        /// Empty until something is counted.
        fileprivate var buckets: [UInt32] = []

        mutating func add(_ other: Summary) {
            requests += other.requests
            succeeded += other.succeeded
            retried += other.retried
            guard !other.buckets.isEmpty else { return }
            if buckets.isEmpty { buckets = [UInt32](repeating: 0, count: RecentCalls.bucketCount) }
            for index in buckets.indices { buckets[index] &+= other.buckets[index] }
        }

        /// Microseconds; nil where there was no call.
        func quantile(_ share: Double) -> Int64? {
            let total = buckets.reduce(0) { $0 + UInt64($1) }
            guard total > 0 else { return nil }
            let wanted = max(1, UInt64((Double(total) * share).rounded(.up)))
            var seen: UInt64 = 0
            for (index, count) in buckets.enumerated() {
                seen += UInt64(count)
                if seen >= wanted { return RecentCalls.middle(of: index) }
            }
            return nil
        }
    }

    private var slots: [Slot] = []

    mutating func record(isSuccess: Bool, isRetried: Bool, took: TimeAmount, now: NIODeadline) {
        let second = Int64(now.uptimeNanoseconds / 1_000_000_000)
        let place = Int(second % Int64(Self.seconds))
        if slots.isEmpty { slots = [Slot](repeating: Slot(), count: Self.seconds) }
        if slots[place].second != second { slots[place] = Slot(second: second) }
        slots[place].counts.requests += 1
        if isSuccess { slots[place].counts.succeeded += 1 }
        if isRetried { slots[place].counts.retried += 1 }
        if slots[place].counts.buckets.isEmpty {
            slots[place].counts.buckets = [UInt32](repeating: 0, count: Self.bucketCount)
        }
        slots[place].counts.buckets[Self.bucket(of: took.microseconds)] &+= 1
    }

    /// This second, as far as it has come, and the nine before.
    func summary(now: NIODeadline) -> Summary {
        let second = Int64(now.uptimeNanoseconds / 1_000_000_000)
        var total = Summary()
        for slot in slots where slot.second > second - Int64(Self.seconds) && slot.second <= second {
            total.add(slot.counts)
        }
        return total
    }

    static func bucket(of microseconds: Int64) -> Int {
        let value = UInt64(max(Int64(subdivisions), microseconds))
        let power = 63 - value.leadingZeroBitCount
        let within = Int((value >> UInt64(power - 3)) & 7)
        return min(bucketCount - 1, (power - 3) * subdivisions + within)
    }

    private static func middle(of bucket: Int) -> Int64 {
        let power = bucket / subdivisions + 3
        let width = Int64(1) << Int64(power - 3)
        return (Int64(1) << Int64(power)) + Int64(bucket % subdivisions) * width + width / 2
    }
}

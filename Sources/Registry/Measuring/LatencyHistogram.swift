import RegistryModel
import Synchronization

/// Counts durations in fixed buckets, without a lock: for metrics, and for quantiles good to a bucket's width.
public final class LatencyHistogram: Sendable {
    /// Upper bounds in microseconds; one more bucket holds everything above.
    public static let bounds: [UInt64] = [
        10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 1_000_000,
    ]

    private let buckets: [Counter]
    private let sum = Counter()

    public init() {
        buckets = (0...Self.bounds.count).map { _ in Counter() }
    }

    public func record(_ duration: Duration) {
        let microseconds = UInt64(max(0, duration.nanoseconds / 1_000))
        let bucket = Self.bounds.firstIndex { microseconds <= $0 } ?? Self.bounds.count
        buckets[bucket].add(1)
        sum.add(microseconds)
    }

    /// Counts by bucket, and the sum of all durations in microseconds.
    public var snapshot: (counts: [UInt64], sumMicroseconds: UInt64) {
        (buckets.map(\.value), sum.value)
    }

    /// The upper bound of the bucket that holds the quantile, in milliseconds; 0 where nothing was counted.
    public static func quantileMilliseconds(_ quantile: Double, of counts: [UInt64]) -> Double {
        let total = counts.reduce(0, &+)
        guard total > 0 else { return 0 }
        var seen: UInt64 = 0
        for (bucket, count) in counts.enumerated() {
            seen &+= count
            if Double(seen) >= quantile * Double(total) {
                return Double(bucket < bounds.count ? bounds[bucket] : bounds[bounds.count - 1]) / 1_000
            }
        }
        return Double(bounds[bounds.count - 1]) / 1_000
    }
}

/// A number that only grows.
public final class Counter: Sendable {
    private let storage = Atomic<UInt64>(0)

    public init() {}

    public func add(_ count: UInt64) {
        storage.wrappingAdd(count, ordering: .relaxed)
    }

    public var value: UInt64 {
        storage.load(ordering: .relaxed)
    }
}

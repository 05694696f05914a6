/// What a sidecar has counted of its calls to one service, or of calls to itself, since it started.
struct CallCounters: Sendable, Equatable {
    /// A bucket of the latency histogram, cumulative as Prometheus has them.
    struct Bucket: Sendable, Equatable {
        /// Upper bound in seconds; infinite in the last.
        var bound: Double
        var count: UInt64
    }

    /// Answered with 1xx to 4xx.
    var answered: UInt64 = 0
    /// Answered with 5xx, by the callee or by the sidecar itself.
    var failed: UInt64 = 0
    /// The caller did not wait for the answer.
    var abandoned: UInt64 = 0
    /// Tries beyond the first.
    var retries: UInt64 = 0
    var buckets: [Bucket] = []

    var requests: UInt64 { answered + failed + abandoned }

    /// What was counted since `earlier`; nil where it counts from 0 again: another process.
    func since(_ earlier: CallCounters) -> CallCounters? {
        guard answered >= earlier.answered, failed >= earlier.failed, abandoned >= earlier.abandoned,
            retries >= earlier.retries
        else { return nil }
        var difference = self
        difference.answered -= earlier.answered
        difference.failed -= earlier.failed
        difference.abandoned -= earlier.abandoned
        difference.retries -= earlier.retries
        guard earlier.buckets.map(\.bound) == buckets.map(\.bound) else { return difference }
        for index in buckets.indices {
            guard buckets[index].count >= earlier.buckets[index].count else { return nil }
            difference.buckets[index].count -= earlier.buckets[index].count
        }
        return difference
    }

    static func += (lhs: inout CallCounters, rhs: CallCounters) {
        lhs.answered += rhs.answered
        lhs.failed += rhs.failed
        lhs.abandoned += rhs.abandoned
        lhs.retries += rhs.retries
        if lhs.buckets.map(\.bound) == rhs.buckets.map(\.bound) {
            for index in lhs.buckets.indices { lhs.buckets[index].count += rhs.buckets[index].count }
        } else if lhs.buckets.isEmpty {
            lhs.buckets = rhs.buckets
        }
    }

    /// The latency that a share of the requests stayed within, interpolated inside its bucket as Prometheus'
    /// `histogram_quantile` does; the last finite bound where it lies beyond.
    ///
    /// - Returns: seconds; nil without requests.
    func quantile(_ share: Double) -> Double? {
        guard let total = buckets.last?.count, total > 0 else { return nil }
        let rank = share * Double(total)
        var lower = Bucket(bound: 0, count: 0)
        for bucket in buckets {
            if Double(bucket.count) >= rank, bucket.count > lower.count {
                guard bucket.bound.isFinite else { return lower.bound }
                let inside = (rank - Double(lower.count)) / Double(bucket.count - lower.count)
                return lower.bound + (bucket.bound - lower.bound) * max(0, inside)
            }
            lower = bucket
        }
        return lower.bound.isFinite ? lower.bound : nil
    }
}

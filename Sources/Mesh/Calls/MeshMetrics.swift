import NIOCore
import RegistryModel

/// Counts of one event loop; whoever asks adds those of all loops up.
struct MeshMetrics: Sendable {
    /// Upper bounds of the latency histogram, in seconds.
    static let bounds: [Double] = [
        0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 15,
    ]

    struct Series: Sendable {
        /// By class of status: 1xx … 5xx at 1 … 5; 0: the caller was gone.
        var byClass = [UInt64](repeating: 0, count: 6)
        var byError: [MeshErrorCode: UInt64] = [:]
        var retries: UInt64 = 0
        var buckets = [UInt64](repeating: 0, count: MeshMetrics.bounds.count + 1)
        var nanoseconds: UInt64 = 0
        /// When a call ended last.
        var lastEnd = NIODeadline.distantPast

        mutating func record(status: Int, error: MeshErrorCode?, took: TimeAmount, tries: Int, now: NIODeadline) {
            record(status: status, error: error, took: took)
            retries += UInt64(max(0, tries - 1))
            lastEnd = now
        }

        mutating func record(status: Int, error: MeshErrorCode?, took: TimeAmount) {
            byClass[status == 499 ? 0 : min(5, max(0, status / 100))] += 1
            if let error { byError[error, default: 0] += 1 }
            let duration = max(0, took.nanoseconds)
            nanoseconds &+= UInt64(duration)
            let seconds = Double(duration) / 1e9
            var index = 0
            while index < MeshMetrics.bounds.count, seconds > MeshMetrics.bounds[index] { index += 1 }
            buckets[index] += 1
        }

        mutating func add(_ other: Series) {
            for index in byClass.indices { byClass[index] += other.byClass[index] }
            byError.merge(other.byError, uniquingKeysWith: +)
            retries += other.retries
            for index in buckets.indices { buckets[index] += other.buckets[index] }
            nanoseconds &+= other.nanoseconds
            lastEnd = max(lastEnd, other.lastEnd)
        }

        var count: UInt64 { byClass.reduce(0, +) }
    }

    /// As many names as a sidecar watches; calls by further ones are counted together, so that a page of metrics stays one
    /// whatever an application calls.
    static let mostServices = 512

    private(set) var outbound: [ServiceName: Series] = [:]
    /// Of services beyond ``mostServices``.
    private(set) var others = Series()
    private(set) var inbound = Series()

    /// How often names were dropped: parts of one page are of the same count.
    private(set) var dropped: UInt64 = 0

    mutating func record(
        service: ServiceName,
        status: Int,
        error: MeshErrorCode?,
        took: TimeAmount,
        tries: Int,
        now: NIODeadline
    ) {
        guard outbound.count < Self.mostServices || outbound[service] != nil else {
            return others.record(status: status, error: error, took: took, tries: tries, now: now)
        }
        outbound[service, default: Series()].record(status: status, error: error, took: took, tries: tries, now: now)
    }

    /// Lets names go that nobody has called for long. A counter that comes back begins with 0, as after a restart: never
    /// with a part of what it was.
    mutating func drop(_ names: [ServiceName]) {
        for name in names { outbound[name] = nil }
        dropped &+= 1
    }

    mutating func recordInbound(status: Int, error: MeshErrorCode?, took: TimeAmount) {
        inbound.record(status: status, error: error, took: took)
    }

    mutating func add(_ other: MeshMetrics) {
        for (service, series) in other.outbound { outbound[service, default: Series()].add(series) }
        others.add(other.others)
        inbound.add(other.inbound)
    }
}

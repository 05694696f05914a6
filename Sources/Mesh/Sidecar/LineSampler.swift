import NIOCore

/// Picks at most so many lines a second out of a stream that is faster, evenly, and by the trace: of two sidecars that see the
/// same request the one that sends less of it sends nothing that the other leaves out.
struct LineSampler {
    private static let window = TimeAmount.seconds(1)

    private let most: Int
    private var windowEnd = NIODeadline.uptimeNanoseconds(0)
    private var seen = 0
    private var taken = 0
    /// Traces whose hash is above it are left out.
    private var threshold = UInt64.max

    init(most: Int) {
        self.most = most
    }

    mutating func takes(_ trace: TraceID, now: NIODeadline) -> Bool {
        if now >= windowEnd { begin(now) }
        seen += 1
        guard taken < most, threshold == .max || Self.hash(trace) <= threshold else { return false }
        taken += 1
        return true
    }

    /// The share of the last second's lines that would have been few enough is taken of this second's.
    private mutating func begin(_ now: NIODeadline) {
        let wasQuiet = now - windowEnd >= Self.window
        threshold =
            seen > most && !wasQuiet ? UInt64(Double(UInt64.max) * (Double(most) / Double(seen))) : .max
        windowEnd = now + Self.window
        seen = 0
        taken = 0
    }

    /// Mixed as SplitMix64 does: callers' own trace ids may be anything but random.
    private static func hash(_ trace: TraceID) -> UInt64 {
        var hash = trace.high &* 0x9e37_79b9_7f4a_7c15 ^ trace.low
        hash = (hash ^ (hash >> 30)) &* 0xbf58_476d_1ce4_e5b9
        hash = (hash ^ (hash >> 27)) &* 0x94d0_49bb_1331_11eb
        return hash ^ (hash >> 31)
    }
}

import RegistryModel

/// How quickly a disk fills: from its free bytes now and up to a day ago.
struct DiskTrend: Sendable {
    private struct Sample {
        var at: MonotonicTime
        var free: UInt64
    }

    /// Between two samples that are kept.
    static let step = Duration.seconds(600)
    /// A forecast from less than this would be one of noise.
    static let shortest = Duration.seconds(3_600)
    private static let most = 144

    private var samples: [Sample] = []

    func isDue(at now: MonotonicTime) -> Bool {
        samples.last.map { now.since($0.at) >= Self.step } ?? true
    }

    mutating func add(free: UInt64, at now: MonotonicTime) {
        samples.append(Sample(at: now, free: free))
        if samples.count > Self.most { samples.removeFirst() }
    }

    /// How long it lasts if things go on so; nil where it does not fill, or was not looked at for long enough.
    func timeUntilFull(free: UInt64, now: MonotonicTime) -> Duration? {
        guard let first = samples.first, first.free > free else { return nil }
        let elapsed = now.since(first.at)
        guard elapsed >= Self.shortest else { return nil }
        let perSecond = Double(first.free - free) / (Double(elapsed.milliseconds) / 1_000)
        let seconds = Double(free) / perSecond
        return seconds < 9e9 ? .seconds(Int64(seconds.rounded())) : nil
    }
}

/// The last seconds of one sidecar's counters: what rates are made of.
struct TrafficWindow: Sendable {
    /// Rates are of so long, once there was so long.
    static let length = Duration.seconds(10)

    private var readings: [(at: ContinuousClock.Instant, reading: MetricsReading)] = []

    /// A sidecar that counts from 0 again is another one: what was before it is forgotten.
    mutating func take(_ reading: MetricsReading, at now: ContinuousClock.Instant) {
        if let last = readings.last, Self.difference(reading, last.reading) == nil { readings = [] }
        readings.append((now, reading))
        // The oldest one that is kept lies at the window's edge or just before it.
        while readings.count > 2, readings[1].at.duration(to: now) >= Self.length { readings.removeFirst() }
    }

    /// What happened in the window; nil until there are two readings.
    func recent() -> (counters: MetricsReading, seconds: Double)? {
        guard let first = readings.first, let last = readings.last, readings.count > 1,
            let difference = Self.difference(last.reading, first.reading)
        else { return nil }
        let elapsed = first.at.duration(to: last.at).components
        let seconds = Double(elapsed.seconds) + Double(elapsed.attoseconds) / 1e18
        return seconds > 0 ? (difference, seconds) : nil
    }

    private static func difference(_ later: MetricsReading, _ earlier: MetricsReading) -> MetricsReading? {
        var result = later
        guard let inbound = later.inbound.since(earlier.inbound) else { return nil }
        result.inbound = inbound
        for (service, counters) in earlier.outbound {
            guard let now = later.outbound[service], let difference = now.since(counters) else { return nil }
            result.outbound[service] = difference
        }
        return result
    }
}

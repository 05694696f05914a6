/// Lines that wait for the others of their trace. Hops end from the innermost to the outermost, so a request is whole as a
/// rule when its outermost line has come; nothing says which that is, hence a trace waits until it is quiet.
struct TraceForest {
    struct Hop {
        let line: AccessLine
        let source: TailSource
        /// The line as it came.
        let document: [UInt8]
    }

    struct Trace {
        var hops: [Hop]
        var began: ContinuousClock.Instant
        var last: ContinuousClock.Instant
    }

    /// Without a further line for this long a trace is shown.
    static let quiet = Duration.seconds(1)
    /// However much still comes: a trace may be one that never ends.
    static let longest = Duration.seconds(15)
    static let mostTraces = 2_000
    static let mostHops = 256

    private var traces: [String: Trace] = [:]

    /// - Returns: what has to make room.
    mutating func add(_ hop: Hop, now: ContinuousClock.Instant) -> [Trace] {
        var pushedOut: [Trace] = []
        let id = hop.line.trace
        if traces[id] == nil, traces.count >= Self.mostTraces,
            let oldest = traces.min(by: { $0.value.last < $1.value.last })?.key,
            let trace = traces.removeValue(forKey: oldest)
        {
            pushedOut.append(trace)
        }
        traces[id, default: Trace(hops: [], began: now, last: now)].hops.append(hop)
        traces[id]?.last = now
        if let trace = traces[id], trace.hops.count >= Self.mostHops {
            traces[id] = nil
            pushedOut.append(trace)
        }
        return pushedOut
    }

    /// Those that are quiet, in the order of their beginning.
    mutating func due(now: ContinuousClock.Instant) -> [Trace] {
        take { now - $0.last >= Self.quiet || now - $0.began >= Self.longest }
    }

    mutating func all() -> [Trace] {
        take { _ in true }
    }

    private mutating func take(_ isDue: (Trace) -> Bool) -> [Trace] {
        let due = traces.filter { isDue($0.value) }
        for id in due.keys { traces[id] = nil }
        return due.values.sorted { $0.began < $1.began }
    }
}

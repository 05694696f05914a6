import RegistryModel

/// Rates of calls, over as many sidecars as told of them.
struct Traffic: Sendable, Equatable {
    var requestsPerSecond = 0.0
    var retriesPerSecond = 0.0
    /// Share of requests that were answered below 500; nil without any.
    var success: Double?
    /// Retries a request; nil without any.
    var retried: Double?
    /// Milliseconds; nil without requests.
    var p50: Double?
    var p99: Double?

    init(_ counters: CallCounters, seconds: Double) {
        requestsPerSecond = Double(counters.requests) / seconds
        retriesPerSecond = Double(counters.retries) / seconds
        // Whoever hung up got no answer to judge by.
        let judged = counters.answered + counters.failed
        if judged > 0 { success = Double(counters.answered) / Double(judged) }
        if counters.requests > 0 { retried = Double(counters.retries) / Double(counters.requests) }
        p50 = counters.quantile(0.5).map { $0 * 1_000 }
        p99 = counters.quantile(0.99).map { $0 * 1_000 }
    }

    /// Members of an object that is open; what nobody told is left out.
    func writeMembers(to json: inout JSONWriter) {
        json.member("r", rounded: requestsPerSecond)
        json.member("re", rounded: retriesPerSecond)
        if let success { json.member("ok", rounded: success, digits: 5) }
        if let retried { json.member("rt", rounded: retried, digits: 4) }
        if let p50 { json.member("p50", rounded: p50) }
        if let p99 { json.member("p99", rounded: p99) }
    }
}

extension JSONWriter {
    mutating func member(_ name: String, rounded value: Double, digits: Int = 2) {
        var scale = 1.0
        for _ in 0..<digits { scale *= 10 }
        key(name)
        write((value * scale).rounded() / scale)
    }
}

/// The counters of one sidecar, from its metrics page (Prometheus text exposition format 0.0.4).
struct MetricsReading: Sendable, Equatable {
    /// By the service called.
    var outbound: [String: CallCounters] = [:]
    var inbound = CallCounters()

    init(_ page: some StringProtocol) {
        for line in page.split(separator: "\n") {
            guard let sample = Sample(line) else { continue }
            take(sample)
        }
    }

    private mutating func take(_ sample: Sample) {
        let service = sample.labels["service"] ?? ""
        switch sample.name {
        case "hms_mesh_requests_total":
            update(sample, service) { counters in
                switch sample.labels["status"] {
                case "5xx": counters.failed += sample.count
                case "gone": counters.abandoned += sample.count
                default: counters.answered += sample.count
                }
            }
        case "hms_mesh_retries_total":
            outbound[service, default: CallCounters()].retries += sample.count
        case "hms_mesh_request_duration_seconds_bucket":
            guard let bound = sample.bound else { return }
            update(sample, service) { $0.buckets.append(CallCounters.Bucket(bound: bound, count: sample.count)) }
        default: break
        }
    }

    private mutating func update(_ sample: Sample, _ service: String, _ body: (inout CallCounters) -> Void) {
        if sample.labels["direction"] == "inbound" {
            body(&inbound)
        } else {
            body(&outbound[service, default: CallCounters()])
        }
    }
}

/// One line of a metrics page: `name{label="value",…} 12`.
private struct Sample {
    var name: Substring
    var labels: [Substring: String] = [:]
    var value: Double

    /// nil for a comment, and for what is no such line.
    init?(_ line: some StringProtocol) {
        let line = Substring(line)
        guard !line.hasPrefix("#"), let space = line.lastIndex(of: " "),
            let value = Double(line[line.index(after: space)...])
        else { return nil }
        self.value = value
        guard let open = line.firstIndex(of: "{"), let close = line[..<space].lastIndex(of: "}"), open < close else {
            name = line[..<space]
            return
        }
        name = line[..<open]
        // Values are names of services, codes and bounds: none has a comma or a quotation mark in it.
        for pair in line[line.index(after: open)..<close].split(separator: ",") {
            let parts = pair.split(separator: "=", maxSplits: 1)
            guard parts.count == 2 else { return nil }
            labels[parts[0]] = parts[1].filter { $0 != "\"" }
        }
    }

    var count: UInt64 { value >= 0 && value < 1e18 ? UInt64(value) : 0 }

    var bound: Double? {
        labels["le"].flatMap { $0 == "+Inf" ? .infinity : Double($0) }
    }
}

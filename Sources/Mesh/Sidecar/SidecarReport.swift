import NIOCore
import RegistryModel

/// A sidecar's condition as `GET /status` of its admin socket tells it, and its metrics.
struct SidecarReport: Sendable {
    struct Loop: Sendable {
        var metrics: MeshMetrics
        var recent: [ServiceName: RecentCalls.Summary]
        var upstreams: [(UpstreamSnapshot, ResolvedRules)]
        var connections: Int
        var inFlight: Int
        /// Of callers, and of connections that this sidecar makes.
        var inboundHandshakes: HandshakeCounts
        var outboundHandshakes: HandshakeCounts
        var pools: ConnectionPool.Load
    }

    var version: String
    var pid: Int32
    var applicationPort: UInt16?
    var service: ServiceName
    var instance: InstanceID
    var health: Health
    var isDraining: Bool
    var outbound: String
    var inbound: String
    var spiffeID: String
    var certificateNotAfter: Timestamp?
    var renewalFailure: String?
    var registry: String
    var registryLostSince: Timestamp?
    var sequence: SequenceNumber
    var startedAt: Timestamp
    var now: Timestamp
    var lostLogLines: UInt64
    /// Requests whose spans were sent, and were not; nil where none are kept.
    var spans: (exported: UInt64, dropped: UInt64)?
    var loops: [Loop]

    func json() -> [UInt8] {
        var json = JSONWriter(reservingCapacity: 2_048)
        json.beginObject()
        json.member("version", version)
        json.member("pid", pid)
        if let applicationPort { json.member("application_port", applicationPort) }
        json.member("service", service.description)
        json.member("id", instance.description)
        json.member("health", health.description)
        json.member("draining", isDraining)
        json.member("outbound", outbound)
        json.member("inbound", inbound)
        json.member("spiffe_id", spiffeID)
        if let certificateNotAfter { json.member("certificate_not_after", certificateNotAfter) }
        if let renewalFailure { json.member("renewal_failure", renewalFailure) }
        json.member("registry", registry)
        json.member("registry_connected", registryLostSince == nil)
        if let registryLostSince { json.member("registry_lost_since", registryLostSince) }
        json.member("sequence", sequence.rawValue)
        json.member("started_at", startedAt)
        json.member("time", now)
        json.member("log_lines_lost", lostLogLines)
        json.member("connections", loops.reduce(0) { $0 + $1.connections })
        json.member("in_flight", loops.reduce(0) { $0 + $1.inFlight })
        json.key("upstreams")
        json.beginArray()
        let total = metrics
        let tries = tries
        for (snapshot, rules) in upstreams {
            write(snapshot, rules, total.outbound[snapshot.service], tries, to: &json)
        }
        json.endArray()
        json.endObject()
        return json.bytes
    }

    var metrics: MeshMetrics {
        var total = MeshMetrics()
        for loop in loops { total.add(loop.metrics) }
        return total
    }

    /// Of each instance, over all loops.
    private var tries: [InstanceKey: (all: UInt64, failed: UInt64)] {
        var tries: [InstanceKey: (all: UInt64, failed: UInt64)] = [:]
        for instance in loops.flatMap(\.upstreams).flatMap(\.0.instances) {
            tries[instance.routed.key, default: (0, 0)].all += instance.tries
            tries[instance.routed.key, default: (0, 0)].failed += instance.failedTries
        }
        return tries
    }

    /// Of one loop, the busiest view of each service: with one loop that is all there is.
    var upstreams: [(UpstreamSnapshot, ResolvedRules)] {
        var byName: [ServiceName: (UpstreamSnapshot, ResolvedRules)] = [:]
        for loop in loops {
            for upstream in loop.upstreams
            where byName[upstream.0.service].map({ $0.0.inFlight <= upstream.0.inFlight }) ?? true {
                byName[upstream.0.service] = upstream
            }
        }
        return byName.values.sorted { $0.0.service < $1.0.service }
    }

    private func write(
        _ snapshot: UpstreamSnapshot,
        _ rules: ResolvedRules,
        _ series: MeshMetrics.Series?,
        _ tries: [InstanceKey: (all: UInt64, failed: UInt64)],
        to json: inout JSONWriter
    ) {
        json.beginObject()
        json.member("service", snapshot.service.description)
        json.member("known", snapshot.isKnown)
        json.member("usable", snapshot.candidates.usable)
        json.member("total", snapshot.candidates.total)
        json.member("in_flight", snapshot.inFlight)
        json.member("panic", snapshot.isPanic)
        json.member("external", snapshot.instances.contains { $0.routed.externalURL != nil })
        if let open = snapshot.breakerOpenFor { json.member("breaker_open_ms", open.milliseconds) }
        json.key("retry_budget")
        json.write(snapshot.retryBudget)
        json.member("requests", series?.count ?? 0)
        json.member("server_errors", series?.byClass[5] ?? 0)
        json.member("retries", series?.retries ?? 0)
        writeRecent(snapshot.service, to: &json)
        json.key("rules")
        json.beginObject()
        write(rules.rules.retries, rules.retriesSource, "retries", to: &json)
        write(rules.rules.timeout.milliseconds, rules.timeoutSource, "timeout_ms", to: &json)
        if let perTry = rules.rules.perTryTimeout {
            write(perTry.milliseconds, rules.perTryTimeoutSource, "per_try_timeout_ms", to: &json)
        }
        json.endObject()
        json.key("instances")
        json.beginArray()
        for instance in snapshot.instances {
            write(instance, tries[instance.routed.key] ?? (0, 0), to: &json)
        }
        json.endArray()
        json.endObject()
    }

    private func write(_ value: some FixedWidthInteger, _ source: RuleSource, _ name: String, to json: inout JSONWriter)
    {
        json.key(name)
        json.beginObject()
        json.member("value", value)
        json.member("source", source.description)
        json.endObject()
    }

    /// Calls of the last seconds; of fewer where the sidecar is younger.
    private func writeRecent(_ service: ServiceName, to json: inout JSONWriter) {
        var total = RecentCalls.Summary()
        for loop in loops { if let recent = loop.recent[service] { total.add(recent) } }
        json.key("recent")
        json.beginObject()
        json.key("seconds")
        let age = Double(now.since(startedAt).milliseconds) / 1_000
        json.write(min(Double(RecentCalls.seconds), max(1, age)))
        json.member("requests", total.requests)
        json.member("succeeded", total.succeeded)
        json.member("retried", total.retried)
        if let median = total.quantile(0.5) { json.member("p50_us", median) }
        if let tail = total.quantile(0.99) { json.member("p99_us", tail) }
        json.endObject()
    }

    /// Tries of an instance are those of all loops; the rest is the busiest one's.
    private func write(
        _ instance: UpstreamSnapshot.Instance,
        _ tries: (all: UInt64, failed: UInt64),
        to json: inout JSONWriter
    ) {
        json.beginObject()
        json.member("id", instance.routed.key.id.description)
        json.member("address", instance.routed.endpoint.description)
        json.member("health", instance.routed.health.description)
        json.member("in_flight", instance.inFlight)
        json.member("tries", tries.all)
        json.member("failed_tries", tries.failed)
        json.member("failures_in_a_row", instance.failuresInARow)
        if let latency = instance.latency { json.member("latency_us", latency.microseconds) }
        if let ejected = instance.ejectedFor { json.member("ejected_ms", ejected.milliseconds) }
        if let last = instance.lastOutcome { json.member("last", last) }
        json.endObject()
    }
}

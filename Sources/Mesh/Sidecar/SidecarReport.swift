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
        var handshakes: Int
        var refusedHandshakes: Int
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
        for (snapshot, rules) in upstreams { write(snapshot, rules, total.outbound[snapshot.service], to: &json) }
        json.endArray()
        json.endObject()
        return json.bytes
    }

    private var metrics: MeshMetrics {
        var total = MeshMetrics()
        for loop in loops { total.add(loop.metrics) }
        return total
    }

    /// Of one loop, the busiest view of each service: with one loop that is all there is.
    private var upstreams: [(UpstreamSnapshot, ResolvedRules)] {
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
        for instance in snapshot.instances { write(instance, of: snapshot.service, to: &json) }
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
    private func write(_ instance: UpstreamSnapshot.Instance, of service: ServiceName, to json: inout JSONWriter) {
        let everywhere = loops.flatMap(\.upstreams).filter { $0.0.service == service }.flatMap(\.0.instances)
            .filter { $0.routed.key == instance.routed.key }
        json.beginObject()
        json.member("id", instance.routed.key.id.description)
        json.member("address", instance.routed.endpoint.description)
        json.member("health", instance.routed.health.description)
        json.member("in_flight", instance.inFlight)
        json.member("tries", everywhere.reduce(0) { $0 + $1.tries })
        json.member("failed_tries", everywhere.reduce(0) { $0 + $1.failedTries })
        json.member("failures_in_a_row", instance.failuresInARow)
        if let latency = instance.latency { json.member("latency_us", latency.microseconds) }
        if let ejected = instance.ejectedFor { json.member("ejected_ms", ejected.milliseconds) }
        if let last = instance.lastOutcome { json.member("last", last) }
        json.endObject()
    }

    // MARK: Prometheus

    /// Prometheus' text exposition format 0.0.4. Labels are names of services and codes of errors, which are bounded.
    func prometheus() -> String {
        let total = metrics
        var page = MetricsPage()
        page.metric("hms_mesh_build_info", "gauge", "Version of the sidecar.")
        page.sample("hms_mesh_build_info", [("version", version)], "1")
        page.metric("hms_mesh_requests_total", "counter", "Requests, by direction, service called and class of status.")
        for (service, series) in total.outbound.sorted(by: { $0.key < $1.key }) {
            page.classes(
                "hms_mesh_requests_total",
                [("direction", "outbound"), ("service", service.description)],
                series
            )
        }
        page.classes(
            "hms_mesh_requests_total",
            [("direction", "inbound"), ("service", service.description)],
            total.inbound
        )
        page.metric("hms_mesh_errors_total", "counter", "Answers that this sidecar made itself, by code.")
        for (service, series) in total.outbound.sorted(by: { $0.key < $1.key }) {
            page.errors([("direction", "outbound"), ("service", service.description)], series)
        }
        page.errors([("direction", "inbound"), ("service", service.description)], total.inbound)
        page.metric("hms_mesh_retries_total", "counter", "Tries beyond the first.")
        for (service, series) in total.outbound.sorted(by: { $0.key < $1.key }) {
            page.sample("hms_mesh_retries_total", [("service", service.description)], String(series.retries))
        }
        page.metric("hms_mesh_request_duration_seconds", "histogram", "From a request's head to its last byte.")
        for (service, series) in total.outbound.sorted(by: { $0.key < $1.key }) {
            page.histogram(
                "hms_mesh_request_duration_seconds",
                [("direction", "outbound"), ("service", service.description)],
                series
            )
        }
        page.histogram(
            "hms_mesh_request_duration_seconds",
            [("direction", "inbound"), ("service", service.description)],
            total.inbound
        )
        page.gauge(
            "hms_mesh_requests_in_flight",
            "Requests from other sidecars under way.",
            loops.reduce(0) { $0 + $1.inFlight }
        )
        page.gauge(
            "hms_mesh_inbound_connections",
            "Connections of other sidecars.",
            loops.reduce(0) { $0 + $1.connections }
        )
        page.metric("hms_mesh_tls_handshakes_total", "counter", "TLS handshakes of callers, by how they ended.")
        page.sample(
            "hms_mesh_tls_handshakes_total",
            [("result", "done")],
            String(loops.reduce(0) { $0 + $1.handshakes })
        )
        page.sample(
            "hms_mesh_tls_handshakes_total",
            [("result", "refused")],
            String(loops.reduce(0) { $0 + $1.refusedHandshakes })
        )
        page.metric("hms_mesh_usable_instances", "gauge", "Instances of a service that calls may go to.")
        for (snapshot, _) in upstreams {
            page.sample(
                "hms_mesh_usable_instances",
                [("service", snapshot.service.description)],
                String(snapshot.candidates.usable)
            )
        }
        page.metric("hms_mesh_breaker_open", "gauge", "1 while a service's circuit breaker is open.")
        for (snapshot, _) in upstreams {
            page.sample(
                "hms_mesh_breaker_open",
                [("service", snapshot.service.description)],
                snapshot.breakerOpenFor == nil ? "0" : "1"
            )
        }
        if let certificateNotAfter {
            page.gauge(
                "hms_cert_not_after_seconds",
                "End of this sidecar's certificate, Unix time.",
                Int(certificateNotAfter.rawValue / 1_000_000_000)
            )
        }
        page.gauge(
            "hms_mesh_registry_connected",
            "0 while routing goes on from the last known view.",
            registryLostSince == nil ? 1 : 0
        )
        page.gauge(
            "hms_mesh_log_lines_lost_total",
            "Lines of the access log that were not written.",
            Int(clamping: lostLogLines)
        )
        if let spans {
            page.metric(
                "hms_mesh_traced_requests_total",
                "counter",
                "Requests whose spans the collector got, or did not."
            )
            page.sample("hms_mesh_traced_requests_total", [("result", "exported")], String(spans.exported))
            page.sample("hms_mesh_traced_requests_total", [("result", "dropped")], String(spans.dropped))
        }
        return page.text
    }
}

private struct MetricsPage {
    private(set) var text = ""

    mutating func metric(_ name: String, _ type: String, _ help: String) {
        text += "# HELP \(name) \(help)\n# TYPE \(name) \(type)\n"
    }

    mutating func sample(_ name: String, _ labels: [(String, String)], _ value: String) {
        text += name
        if !labels.isEmpty { text += "{" + labels.map { "\($0)=\"\($1)\"" }.joined(separator: ",") + "}" }
        text += " \(value)\n"
    }

    mutating func gauge(_ name: String, _ help: String, _ value: Int) {
        metric(name, name.hasSuffix("_total") ? "counter" : "gauge", help)
        sample(name, [], String(value))
    }

    mutating func classes(_ name: String, _ labels: [(String, String)], _ series: MeshMetrics.Series) {
        for index in 0...5 where series.byClass[index] > 0 {
            sample(name, labels + [("status", index == 0 ? "gone" : "\(index)xx")], String(series.byClass[index]))
        }
    }

    mutating func errors(_ labels: [(String, String)], _ series: MeshMetrics.Series) {
        for (code, count) in series.byError.sorted(by: { $0.key.rawValue < $1.key.rawValue }) {
            sample("hms_mesh_errors_total", labels + [("code", code.rawValue)], String(count))
        }
    }

    mutating func histogram(_ name: String, _ labels: [(String, String)], _ series: MeshMetrics.Series) {
        var sum: UInt64 = 0
        for (index, bound) in MeshMetrics.bounds.enumerated() {
            sum += series.buckets[index]
            sample(name + "_bucket", labels + [("le", "\(bound)")], String(sum))
        }
        sample(name + "_bucket", labels + [("le", "+Inf")], String(series.count))
        sample(name + "_sum", labels, "\(Double(series.nanoseconds) / 1e9)")
        sample(name + "_count", labels, String(series.count))
    }
}

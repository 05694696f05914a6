import Glibc
import RegistryModel
import Supervision

extension SidecarReport {
    /// Prometheus' text exposition format 0.0.4. Labels are names of services, at most ``MeshMetrics/mostServices``, and
    /// codes of errors.
    func prometheus() -> String {
        let total = metrics
        var page = MetricsPage()
        page.build(program: "hms-mesh", version: version)
        page.write(self.series(of: total))
        page.metric("hms_mesh_retries_total", .counter, "Tries beyond the first.")
        for (labels, series) in outboundSeries(of: total) {
            page.sample("hms_mesh_retries_total", labels, series.retries)
        }
        write(upstreams.map(\.0), to: &page)
        writeConnections(to: &page)
        writeCondition(to: &page)
        if let usage = ProcessUsage.of(pid) { page.process(usage) }
        return page.text
    }

    // MARK: Requests

    private typealias LabelledSeries = (labels: MetricsPage.Labels, series: MeshMetrics.Series)

    private func outboundSeries(of total: MeshMetrics) -> [LabelledSeries] {
        var found = total.outbound.sorted { $0.key < $1.key }.map { service, series in
            (labels: [(name: "service", value: service.description)], series: series)
        }
        // No service can have this name.
        if total.others.count > 0 { found.append((labels: [("service", "(other)")], series: total.others)) }
        return found
    }

    private func series(of total: MeshMetrics) -> [LabelledSeries] {
        outboundSeries(of: total).map { ([("direction", "outbound")] + $0.labels, $0.series) }
            + [([("direction", "inbound"), ("service", service.description)], total.inbound)]
    }

    // MARK: Upstreams

    private func write(_ upstreams: [UpstreamSnapshot], to page: inout MetricsPage) {
        page.gauges("hms_mesh_usable_instances", "Instances of a service that calls may go to.", upstreams) {
            $0.candidates.usable
        }
        page.gauges("hms_mesh_ejected_instances", "Instances of a service that are out of use for a while.", upstreams)
        {
            $0.instances.count { $0.ejectedFor != nil }
        }
        page.gauges("hms_mesh_breaker_open", "1 while a service's circuit breaker is open.", upstreams) {
            $0.breakerOpenFor == nil ? 0 : 1
        }
        page.gauges("hms_mesh_calls_waiting", "Calls of a service beyond those that may be under way.", upstreams) {
            $0.waiting
        }
        page.metric("hms_mesh_retry_budget", .gauge, "Retries of a service that may be spent.")
        for upstream in upstreams {
            page.sample("hms_mesh_retry_budget", [("service", upstream.service.description)], upstream.retryBudget)
        }
    }

    // MARK: Connections

    private func writeConnections(to page: inout MetricsPage) {
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
        let pools = loops.reduce(into: ConnectionPool.Load()) { $0.add($1.pools) }
        page.metric("hms_mesh_pool_connections", .gauge, "Connections that this sidecar has made, by what they do.")
        page.sample("hms_mesh_pool_connections", [("state", "busy")], pools.busy)
        page.sample("hms_mesh_pool_connections", [("state", "idle")], pools.idle)
        page.sample("hms_mesh_pool_connections", [("state", "connecting")], pools.connecting)
        page.gauge("hms_mesh_pool_waiting", "Tries that wait for a connection.", pools.waiting)
        page.metric("hms_mesh_tls_handshakes_total", .counter, "TLS handshakes, by who began them and how they ended.")
        page.handshakes("inbound", loops.map(\.inboundHandshakes))
        page.handshakes("outbound", loops.map(\.outboundHandshakes))
    }

    // MARK: The sidecar itself

    private func writeCondition(to page: inout MetricsPage) {
        if let certificateNotAfter {
            page.metric("hms_cert_not_after_seconds", .gauge, "End of a certificate of this program, Unix time.")
            page.sample("hms_cert_not_after_seconds", [("certificate", "workload")], certificateNotAfter.unixSeconds)
        }
        page.gauge(
            "hms_mesh_healthy",
            "1 while the application beside it serves.",
            health == .healthy && !isDraining ? 1 : 0
        )
        page.gauge(
            "hms_mesh_registry_connected",
            "0 while routing goes on from the last known view.",
            registryLostSince == nil ? 1 : 0
        )
        page.gauge(
            "hms_mesh_view_sequence",
            "Sequence of the registry's event that routing rests on.",
            sequence.rawValue
        )
        page.counter(
            "hms_mesh_log_lines_lost_total",
            "Lines of the access log that were not written.",
            lostLogLines
        )
        if let spans {
            page.metric(
                "hms_mesh_traced_requests_total",
                .counter,
                "Requests whose spans the collector got, or did not."
            )
            page.sample("hms_mesh_traced_requests_total", [("result", "exported")], spans.exported)
            page.sample("hms_mesh_traced_requests_total", [("result", "dropped")], spans.dropped)
        }
    }
}

extension MetricsPage {
    fileprivate mutating func write(_ all: [(labels: Labels, series: MeshMetrics.Series)]) {
        metric("hms_mesh_requests_total", .counter, "Requests, by direction, service called and class of status.")
        for (labels, series) in all {
            for (index, count) in series.byClass.enumerated() where count > 0 {
                sample("hms_mesh_requests_total", labels + [("status", index == 0 ? "gone" : "\(index)xx")], count)
            }
        }
        metric("hms_mesh_errors_total", .counter, "Answers that this sidecar made itself, by code.")
        for (labels, series) in all {
            for (code, count) in series.byError.sorted(by: { $0.key.rawValue < $1.key.rawValue }) {
                sample("hms_mesh_errors_total", labels + [("code", code.rawValue)], count)
            }
        }
        metric("hms_mesh_request_duration_seconds", .histogram, "From a request's head to its last byte.")
        for (labels, series) in all {
            histogram(
                "hms_mesh_request_duration_seconds",
                labels,
                bounds: MeshMetrics.bounds,
                counts: series.buckets,
                sum: Double(series.nanoseconds) / 1e9
            )
        }
    }

    fileprivate mutating func gauges(
        _ name: String,
        _ help: String,
        _ upstreams: [UpstreamSnapshot],
        _ value: (UpstreamSnapshot) -> Int
    ) {
        metric(name, .gauge, help)
        for upstream in upstreams { sample(name, [("service", upstream.service.description)], value(upstream)) }
    }

    fileprivate mutating func handshakes(_ direction: String, _ counts: [HandshakeCounts]) {
        let total = counts.reduce(into: HandshakeCounts()) { $0.add($1) }
        sample("hms_mesh_tls_handshakes_total", [("direction", direction), ("result", "done")], total.done)
        sample("hms_mesh_tls_handshakes_total", [("direction", direction), ("result", "failed")], total.failed)
    }
}

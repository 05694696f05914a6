import Glibc
import Identity
import MaterializedView
import Registry
import RegistryModel
import Supervision

/// The registry's metrics in Prometheus' text exposition format 0.0.4.
enum PrometheusText {
    static func of(_ registry: ServiceRegistry, _ authority: RegistryAuthority) throws -> String {
        let status = registry.status()
        let totals = try registry.view.read { try $0.totals }
        var page = MetricsPage()
        page.build(program: "hms-regd", version: registry.options.version)
        page.write(registry.metrics)
        page.metric("hms_reg_instances", .gauge, "Instances, by health.")
        for health in Health.allCases {
            page.sample("hms_reg_instances", [("health", health.description)], totals.health[health])
        }
        page.gauge("hms_reg_services", "Services known.", totals.services)
        page.write(status)
        let keys = try authority.report
        page.metric("hms_cert_not_after_seconds", .gauge, "End of a certificate of this program, Unix time.")
        page.sample("hms_cert_not_after_seconds", [("certificate", "root")], keys.root.notAfter.unixSeconds)
        page.sample("hms_cert_not_after_seconds", [("certificate", "issuer")], keys.issuer.notAfter.unixSeconds)
        if let usage = ProcessUsage.of(getpid()) { page.process(usage) }
        return page.text
    }
}

extension MetricsPage {
    fileprivate mutating func write(_ metrics: RegistryMetrics) {
        metric("hms_reg_events_total", .counter, "Events logged, by kind.")
        for kind in RegistryMetrics.EventCount.allCases {
            sample("hms_reg_events_total", [("kind", kind.label)], metrics.count(of: kind))
        }
        counter("hms_reg_batches_total", "Batches of events, each synced once.", metrics.batches.value)
        counter("hms_reg_batch_events_total", "Events in those batches.", metrics.batchEvents.value)
        counter("hms_reg_heartbeats_total", "Heartbeats taken.", metrics.heartbeats.value)
        counter("hms_reg_lookups_total", "Look-ups of a service.", metrics.lookups.value)
        histogram("hms_reg_fsync_duration_seconds", "Time to sync a batch of the log.", metrics.fsync)
        histogram("hms_reg_lookup_duration_seconds", "Time to read a service from the view.", metrics.lookup)
        histogram("hms_reg_deadline_lag_seconds", "How late deadlines of leases were looked at.", metrics.deadlineLag)
    }

    fileprivate mutating func write(_ status: RegistryStatus) {
        gauge("hms_reg_subscribers", "Open watches.", status.subscribers)
        gauge(
            "hms_reg_subscriber_lag_seconds",
            "How long the slowest watch has left changes untaken.",
            Double(status.slowestSubscriber.nanoseconds) / 1e9
        )
        gauge("hms_reg_queue_commands", "Commands that wait for the writer.", status.queue)
        gauge("hms_reg_sequence", "Sequence of the last event.", status.sequence.rawValue)
        gauge("hms_reg_log_bytes", "Bytes of the log.", status.logBytes)
        gauge("hms_reg_beats_bytes", "Bytes of recorded heartbeats.", status.beatsBytes)
        gauge("hms_reg_view_bytes", "Bytes of the view.", status.viewBytes)
        gauge("hms_reg_disk_free_bytes", "Free bytes on the data directory's disk.", status.disk.free)
        gauge("hms_reg_disk_total_bytes", "Size of the data directory's disk.", status.disk.total)
        gauge("hms_reg_disk_full", "1 while registrations wait for room.", status.isDiskFull ? 1 : 0)
        gauge("hms_reg_protecting", "1 while the mass expiry guard holds.", status.isProtecting ? 1 : 0)
    }

    private mutating func histogram(_ name: String, _ help: String, _ histogram: LatencyHistogram) {
        let (counts, sum) = histogram.snapshot
        metric(name, .histogram, help)
        self.histogram(
            name,
            bounds: LatencyHistogram.bounds.map { Double($0) / 1e6 },
            counts: counts,
            sum: Double(sum) / 1e6
        )
    }
}

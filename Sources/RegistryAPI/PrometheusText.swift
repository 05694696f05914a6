import MaterializedView
import Registry
import RegistryModel

/// The registry's metrics in Prometheus' text exposition format 0.0.4.
struct PrometheusText {
    private var text = ""

    static func of(_ registry: ServiceRegistry) throws -> String {
        let status = registry.status()
        let totals = try registry.view.read { try $0.totals }
        let metrics = registry.metrics
        var page = PrometheusText()
        page.metric("hms_reg_build_info", "gauge", "Version of the registry.")
        page.sample("hms_reg_build_info", "{version=\"\(registry.options.version)\"}", "1")
        page.metric("hms_reg_events_total", "counter", "Events logged, by kind.")
        for kind in RegistryMetrics.EventCount.allCases {
            page.sample("hms_reg_events_total", "{kind=\"\(kind.label)\"}", String(metrics.count(of: kind)))
        }
        page.counter("hms_reg_batches_total", "Batches of events, each synced once.", metrics.batches.value)
        page.counter("hms_reg_batch_events_total", "Events in those batches.", metrics.batchEvents.value)
        page.counter("hms_reg_heartbeats_total", "Heartbeats taken.", metrics.heartbeats.value)
        page.counter("hms_reg_lookups_total", "Look-ups of a service.", metrics.lookups.value)
        page.histogram("hms_reg_fsync_duration_seconds", "Time to sync a batch of the log.", metrics.fsync)
        page.histogram("hms_reg_lookup_duration_seconds", "Time to read a service from the view.", metrics.lookup)
        page.histogram(
            "hms_reg_deadline_lag_seconds",
            "How late deadlines of leases were looked at.",
            metrics.deadlineLag
        )
        page.metric("hms_reg_instances", "gauge", "Instances, by health.")
        for health in Health.allCases {
            page.sample("hms_reg_instances", "{health=\"\(health)\"}", String(totals.health[health]))
        }
        page.gauge("hms_reg_services", "Services known.", Double(totals.services))
        page.gauge("hms_reg_subscribers", "Open watches.", Double(status.subscribers))
        page.gauge(
            "hms_reg_subscriber_lag_seconds",
            "How long the slowest watch has left changes untaken.",
            Double(status.slowestSubscriber.nanoseconds) / 1e9
        )
        page.gauge("hms_reg_queue_commands", "Commands that wait for the writer.", Double(status.queue))
        page.gauge("hms_reg_sequence", "Sequence of the last event.", Double(status.sequence.rawValue))
        page.gauge("hms_reg_log_bytes", "Bytes of the log.", Double(status.logBytes))
        page.gauge("hms_reg_beats_bytes", "Bytes of recorded heartbeats.", Double(status.beatsBytes))
        page.gauge("hms_reg_view_bytes", "Bytes of the view.", Double(status.viewBytes))
        page.gauge("hms_reg_disk_free_bytes", "Free bytes on the data directory's disk.", Double(status.disk.free))
        page.gauge("hms_reg_disk_full", "1 while registrations wait for room.", status.isDiskFull ? 1 : 0)
        page.gauge("hms_reg_protecting", "1 while the mass expiry guard holds.", status.isProtecting ? 1 : 0)
        return page.text
    }

    private mutating func metric(_ name: String, _ type: String, _ help: String) {
        text += "# HELP \(name) \(help)\n# TYPE \(name) \(type)\n"
    }

    private mutating func sample(_ name: String, _ labels: String, _ value: String) {
        text += "\(name)\(labels) \(value)\n"
    }

    private mutating func counter(_ name: String, _ help: String, _ value: UInt64) {
        metric(name, "counter", help)
        sample(name, "", String(value))
    }

    private mutating func gauge(_ name: String, _ help: String, _ value: Double) {
        metric(name, "gauge", help)
        sample(name, "", value == value.rounded() && abs(value) < 1e15 ? String(Int64(value)) : "\(value)")
    }

    private mutating func histogram(_ name: String, _ help: String, _ histogram: LatencyHistogram) {
        let (counts, sum) = histogram.snapshot
        metric(name, "histogram", help)
        var seen: UInt64 = 0
        for (bound, count) in zip(LatencyHistogram.bounds, counts) {
            seen &+= count
            sample(name + "_bucket", "{le=\"\(Double(bound) / 1e6)\"}", String(seen))
        }
        let total = counts.reduce(0, &+)
        sample(name + "_bucket", "{le=\"+Inf\"}", String(total))
        sample(name + "_sum", "", "\(Double(sum) / 1e6)")
        sample(name + "_count", "", String(total))
    }
}

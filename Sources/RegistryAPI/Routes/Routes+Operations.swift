import Hummingbird
import MaterializedView
import NIOCore
import Registry
import RegistryModel

extension RegistryRoutes {
    /// What every door has: metrics, health, and the targets that a scraper discovers.
    func addOperations(to router: Router<Context>) {
        on(router, .get, "/healthz", for: .anyone) { _ in text("ok\n") }
        on(router, .get, "/readyz", for: .anyone) { _ in
            guard readiness.isReady else {
                throw ProblemDetails(
                    code: "stopping",
                    status: 503,
                    title: "Not ready",
                    detail: "the registry is \(readiness.state)"
                )
            }
            return text("ready\n")
        }
        on(router, .get, "/metrics") { _ in
            var reply = text(try PrometheusText.of(registry, authority))
            reply.contentType = "text/plain; version=0.0.4; charset=utf-8"
            return reply
        }
        on(router, .get, "/v1/targets") { _ in try targets() }
    }

    private func text(_ text: String) -> Reply {
        var reply = Reply(body: ByteBuffer(string: text))
        reply.contentType = "text/plain; charset=utf-8"
        return reply
    }

    /// Prometheus `http_sd`: one group an instance that says where its metrics are, whatever its health: the sick ones are
    /// those that one wants to see. The sidecar's own metrics name the services that it calls, so its label is not `service`.
    private func targets() throws -> Reply {
        try registry.view.read { (snapshot) throws -> Reply in
            var json = JSONWriter(reservingCapacity: 4_096)
            json.beginArray()
            try snapshot.forEachInstance { key, state, _ in
                guard let instance = try snapshot.instance(key)?.0, let address = instance.metricsAddress else {
                    return
                }
                json.beginObject()
                json.member("targets", [address])
                json.key("labels")
                json.beginObject()
                json.member("workload", key.service.description)
                json.member("instance_id", key.id.description)
                json.member("version", instance.version)
                json.member("zone", instance.zone)
                // Known while targets are chosen, and no label of what is stored: it would begin a new series each time.
                json.member("__meta_hms_status", state.health.description)
                json.endObject()
                json.endObject()
            }
            json.endArray()
            var reply = Reply(json: json)
            reply.noteSequence(snapshot.sequence)
            return reply
        }
    }
}

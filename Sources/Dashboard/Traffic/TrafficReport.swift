import Mesh
import RegistryModel

/// Who calls whom, and how that goes: what all sidecars that are asked tell, added up.
struct TrafficReport: Sendable {
    /// One sidecar, and its counters of the last seconds where there are any yet.
    struct Source: Sendable {
        var status: SidecarStatus
        var recent: (counters: MetricsReading, seconds: Double)?
        var isRemote = false
    }

    /// One that does not answer.
    struct Silent: Sendable {
        var key: InstanceKey
        var reason: String
    }

    private let sources: [Source]
    private let silent: [Silent]
    /// Sidecars that there are beside these, and that are not asked.
    private let leftOut: Int

    init(_ sources: [Source] = [], silent: [Silent] = [], leftOut: Int = 0) {
        self.leftOut = leftOut
        self.silent = silent.sorted { $0.key < $1.key }
        self.sources = sources.sorted { ($0.status.service, $0.status.id) < ($1.status.service, $1.status.id) }
    }

    /// Requests a second of each service that is called: what sparklines are drawn from.
    var pulse: [String: Double] {
        callers().mapValues { $0.requestsPerSecond }
    }

    /// `{"services":[…],"edges":[…],"sidecars":[…],"silent"?:[…],"leftOut"?:…}`
    func write(to json: inout JSONWriter) {
        json.beginObject()
        json.key("services")
        json.beginArray()
        writeServices(to: &json)
        json.endArray()
        json.key("edges")
        json.beginArray()
        for source in sources {
            for upstream in source.status.upstreams { write(upstream, of: source, to: &json) }
        }
        json.endArray()
        json.key("sidecars")
        json.beginArray()
        for source in sources { write(source.status, isRemote: source.isRemote, to: &json) }
        json.endArray()
        writeSilent(to: &json)
        if leftOut > 0 { json.member("leftOut", leftOut) }
        json.endObject()
    }

    // MARK: Services

    /// As those who call it see it: with retries done, and with what never reached it.
    private func callers() -> [String: Traffic] {
        rates { $1.outbound }
    }

    /// As its own sidecars see it, whoever calls.
    private func callees() -> [String: Traffic] {
        rates { [$0: $1.inbound] }
    }

    /// Counters of all sidecars added up. Windows are equally long but for those that have just begun: the longest counts.
    private func rates(_ counters: (_ service: String, MetricsReading) -> [String: CallCounters]) -> [String: Traffic] {
        var totals: [String: (counters: CallCounters, seconds: Double)] = [:]
        for source in sources {
            guard let recent = source.recent else { continue }
            for (service, found) in counters(source.status.service, recent.counters) {
                var total = totals[service] ?? (CallCounters(), 0)
                total.counters += found
                total.seconds = max(total.seconds, recent.seconds)
                totals[service] = total
            }
        }
        return totals.mapValues { Traffic($0.counters, seconds: $0.seconds) }
    }

    private func writeServices(to json: inout JSONWriter) {
        let byCallers = callers()
        let byItself = callees()
        var state: [String: (open: UInt64?, ejected: Int)] = [:]
        for upstream in sources.flatMap(\.status.upstreams) {
            var now = state[upstream.service] ?? (nil, 0)
            now.open = [now.open, upstream.breakerOpenMilliseconds].compactMap { $0 }.max()
            now.ejected = max(now.ejected, upstream.ejected)
            state[upstream.service] = now
        }
        for name in Set(byCallers.keys).union(byItself.keys).union(state.keys).sorted() {
            json.beginObject()
            json.member("n", name)
            if let traffic = byCallers[name] ?? byItself[name] { traffic.writeMembers(to: &json) }
            json.member("by", byCallers[name] != nil ? "callers" : "itself")
            if let state = state[name] {
                if let open = state.open { json.member("open", open) }
                json.member("ej", state.ejected)
            }
            json.endObject()
        }
    }

    // MARK: Edges and sidecars

    private func write(_ upstream: SidecarStatus.Upstream, of source: Source, to json: inout JSONWriter) {
        json.beginObject()
        json.member("f", source.status.service)
        json.member("i", source.status.id)
        json.member("t", upstream.service)
        json.member("u", upstream.usable)
        json.member("a", upstream.total)
        json.member("fl", upstream.inFlight)
        if !upstream.isKnown { json.member("k", false) }
        if let open = upstream.breakerOpenMilliseconds { json.member("open", open) }
        if let recent = source.recent, let counters = recent.counters.outbound[upstream.service] {
            Traffic(counters, seconds: recent.seconds).writeMembers(to: &json)
        }
        let judged = upstream.instances.filter { $0.ejectedMilliseconds != nil }
        if !judged.isEmpty {
            json.key("ej")
            json.beginArray()
            for instance in judged {
                json.beginObject()
                json.member("id", instance.id)
                json.member("ms", instance.ejectedMilliseconds ?? 0)
                if !instance.last.isEmpty { json.member("last", instance.last) }
                json.endObject()
            }
            json.endArray()
        }
        json.endObject()
    }

    private func writeSilent(to json: inout JSONWriter) {
        guard !silent.isEmpty else { return }
        json.key("silent")
        json.beginArray()
        for one in silent {
            json.beginObject()
            json.member("n", one.key.service.description)
            json.member("id", one.key.id.description)
            json.member("why", one.reason)
            json.endObject()
        }
        json.endArray()
    }

    private func write(_ status: SidecarStatus, isRemote: Bool, to json: inout JSONWriter) {
        json.beginObject()
        if isRemote { json.member("remote", true) }
        json.member("n", status.service)
        json.member("id", status.id)
        json.member("v", status.version)
        json.member("h", status.isDraining ? "draining" : status.health)
        json.member("registry", status.registry)
        json.member("up", status.isRegistryConnected)
        json.member("seq", status.sequence)
        json.member("since", status.startedAt)
        if let ends = status.notAfter { json.member("cert", ends) }
        if let failure = status.renewalFailure { json.member("renewal", failure) }
        json.member("fl", status.inFlight)
        json.member("conn", status.connections)
        json.endObject()
    }
}

import RegistryModel

/// Who calls whom on this machine, and how that goes: what all of this user's sidecars tell, added up.
struct TrafficReport: Sendable {
    /// One sidecar, and its counters of the last seconds where there are any yet.
    struct Source: Sendable {
        var reading: SidecarReading
        var recent: (counters: MetricsReading, seconds: Double)?
    }

    private let sources: [Source]
    /// Sidecars that there are beside these, and that are not asked.
    private let leftOut: Int

    init(_ sources: [Source] = [], leftOut: Int = 0) {
        self.leftOut = leftOut
        self.sources = sources.sorted { ($0.reading.service, $0.reading.id) < ($1.reading.service, $1.reading.id) }
    }

    /// Requests a second of each service that is called: what sparklines are drawn from.
    var pulse: [String: Double] {
        callers().mapValues { $0.requestsPerSecond }
    }

    /// `{"services":[…],"edges":[…],"sidecars":[…],"leftOut"?:…}`
    func write(to json: inout JSONWriter) {
        json.beginObject()
        json.key("services")
        json.beginArray()
        writeServices(to: &json)
        json.endArray()
        json.key("edges")
        json.beginArray()
        for source in sources {
            for upstream in source.reading.upstreams { write(upstream, of: source, to: &json) }
        }
        json.endArray()
        json.key("sidecars")
        json.beginArray()
        for source in sources { write(source.reading, to: &json) }
        json.endArray()
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
            for (service, found) in counters(source.reading.service, recent.counters) {
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
        for upstream in sources.flatMap(\.reading.upstreams) {
            var now = state[upstream.service] ?? (nil, 0)
            now.open = [now.open, upstream.breakerOpenMilliseconds].compactMap { $0 }.max()
            now.ejected = max(now.ejected, upstream.instances.count { $0.ejectedMilliseconds != nil })
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

    private func write(_ upstream: SidecarReading.Upstream, of source: Source, to json: inout JSONWriter) {
        json.beginObject()
        json.member("f", source.reading.service)
        json.member("i", source.reading.id)
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
                if let last = instance.last { json.member("last", last) }
                json.endObject()
            }
            json.endArray()
        }
        json.endObject()
    }

    private func write(_ reading: SidecarReading, to json: inout JSONWriter) {
        json.beginObject()
        json.member("n", reading.service)
        json.member("id", reading.id)
        json.member("v", reading.version)
        json.member("h", reading.isDraining ? "draining" : reading.health)
        json.member("registry", reading.registry)
        json.member("up", reading.isRegistryConnected)
        json.member("seq", reading.sequence)
        json.member("since", reading.startedAt)
        if let ends = reading.certificateEnds { json.member("cert", ends) }
        if let failure = reading.renewalFailure { json.member("renewal", failure) }
        json.member("fl", reading.inFlight)
        json.member("conn", reading.connections)
        json.endObject()
    }
}

import Hummingbird
import MaterializedView
import NIOCore
import Registry
import RegistryModel
import Replay

extension RegistryRoutes {
    func addHistory(to router: Router<Context>) {
        on(router, .get, "/v1/services/:service/history", parameters: ["instance"]) { request in
            let name = try request.service()
            let id = try request.target.parameter("instance").map { try InstanceID($0) }
            return try await historyReply(name, id)
        }
        on(router, .get, "/v1/timeline", parameters: ["since", "until", "steps"]) { request in
            try await timelineReply(request.target)
        }
    }

    /// The look-up's document as it would have been at a moment.
    func pastLookup(_ name: ServiceName, _ query: LookupQuery, at text: String) async throws -> Reply {
        try await past(query, at: text) { state in
            guard state.store.service(name) != nil else {
                throw ProblemDetails.unknownService(
                    name.description,
                    among: state.store.serviceNames.map(\.description)
                )
            }
            return [name]
        }
    }

    /// The whole registry's document as it would have been at a moment.
    func pastRegistry(_ query: LookupQuery, at text: String) async throws -> Reply {
        try await past(query, at: text) { $0.store.serviceNames }
    }

    /// - Parameter names: the services that are told of.
    private func past(
        _ query: LookupQuery,
        at text: String,
        _ names: @escaping @Sendable (StateReconstruction) throws -> [ServiceName]
    ) async throws -> Reply {
        let moment = try HistoryReader.moment(text, now: registry.now().time)
        let filter = query.filter
        return try await HistoryReader(registry: registry).answer { source in
            let state = try StateReconstruction.at(
                try moment.resolve(in: source),
                in: source,
                atMost: HistoryReader.eventsAtMost
            )
            var json = JSONWriter(reservingCapacity: 16_384)
            json.beginObject()
            for name in try names(state) {
                json.key(name.description)
                json.beginArray()
                for row in state.store.rows(of: name) where Self.matches(row, filter) { row.write(to: &json) }
                json.endArray()
            }
            json.endObject()
            var reply = Reply(json: json)
            reply.noteSequence(state.position.sequence)
            return reply
        }
    }

    private func timelineReply(_ target: RequestTarget) async throws -> Reply {
        let now = registry.now().time
        let since = try target.parameter("since").map { try HistoryReader.moment($0, now: now) }
        let until = try target.parameter("until").map { try HistoryReader.moment($0, now: now) }
        guard let steps = Int(target.parameter("steps") ?? "100"), (1...EventTimeline.mostSteps).contains(steps) else {
            throw ProblemDetails.badRequest("steps must be 1 to \(EventTimeline.mostSteps)")
        }
        return try await HistoryReader(registry: registry).answer { source in
            let timeline = try EventTimeline(
                of: source,
                since: try since.map { try Self.time(of: $0, in: source, now: now) },
                until: try until.map { try Self.time(of: $0, in: source, now: now) },
                count: steps,
                eventsAtMost: HistoryReader.eventsAtMost
            )
            var json = JSONWriter(reservingCapacity: 4_096)
            timeline.write(to: &json)
            return Reply(json: json)
        }
    }

    /// A time may lie before the beginning; a sequence must be there.
    private static func time(of moment: Moment, in source: AuditSource, now: Timestamp) throws -> Timestamp {
        switch moment {
        case .time(let time): time
        case .now: now
        case .sequence: try moment.resolve(in: source).time
        }
    }

    private static func matches(_ row: InMemoryRecordStore.Row, _ filter: InstanceFilter) -> Bool {
        let hasHealth =
            switch filter.status {
            case .all: true
            case .routable: row.state.health.isRoutable
            case .health(let health): row.state.health == health
            }
        return hasHealth && (filter.version ?? row.instance.version) == row.instance.version
            && (filter.zone ?? row.instance.zone) == row.instance.zone
            && (filter.tag.map { row.instance.tags.contains($0) } ?? true)
    }

    private func historyReply(_ name: ServiceName, _ id: InstanceID?) async throws -> Reply {
        let sequence = registry.sequence
        return try await HistoryReader(registry: registry).answer { source in
            guard sequence.rawValue <= HistoryReader.eventsAtMost else {
                throw ReplayError(.tooLong, "the log is too long to be read for an answer")
            }
            var query = EventQuery()
            query.service = name
            query.instance = id
            var events: [Event] = []
            try query.run(in: source) { event in
                events.append(event)
                if events.count > 2 * HistoryReader.eventsTold { events.removeFirst(HistoryReader.eventsTold) }
                return true
            }
            guard !events.isEmpty else {
                throw ReplayError(.notFound, "nothing is recorded of \(name)\(id.map { "/\($0)" } ?? "")")
            }
            var json = JSONWriter(reservingCapacity: 4_096)
            json.beginObject()
            json.key("events")
            json.beginArray()
            for event in events.suffix(HistoryReader.eventsTold) { event.write(to: &json) }
            json.endArray()
            json.endObject()
            var reply = Reply(json: json)
            reply.noteSequence(sequence)
            return reply
        }
    }
}

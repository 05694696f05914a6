import EventLog
public import RegistryModel

/// What happened in a stretch of time, gathered for one page: who was routable when, what befell whom, who acted, and
/// whether the record is whole.
public struct IncidentReport {
    /// One stretch of one instance's health.
    public struct Span: Sendable {
        public var from: Timestamp
        public var to: Timestamp
        /// nil: not registered.
        public var health: Health?
    }

    public struct Lane: Sendable {
        public var instance: InstanceKey
        public var spans: [Span]
    }

    /// Routable instances of all services from a moment on.
    public struct Count: Sendable {
        public var time: Timestamp
        public var routable: Int
        public var registered: Int
    }

    /// Events that are shown, lanes that are drawn: a page has an end.
    public static let eventsShown = 2_000
    public static let lanesShown = 400

    public let since: HistoryPosition
    public let until: HistoryPosition
    /// The ones that changed, in order of services and instances.
    public let lanes: [Lane]
    public let quietInstances: Int
    public let counts: [Count]
    public let events: [Event]
    public let eventsInAll: Int
    public let actors: [(name: String, acts: Int)]
    public let verification: LogVerification

    public static func of(
        _ source: AuditSource,
        since: HistoryPosition,
        until: HistoryPosition,
        service: ServiceName?,
        verification: LogVerification
    ) throws -> IncidentReport {
        var gathering = Gathering(since: since.time, service: service)
        var store = try InMemoryRecordStore()
        var changes: [ViewChange] = []
        try source.logReader().forEach(from: SequenceNumber(1), through: until.sequence) { event, _ in
            Projection.apply(event, to: &store, changes: &changes)
            if event.sequence == since.sequence { gathering.begin(store) }
            if event.sequence > since.sequence { gathering.take(event, changes, store) }
            changes.removeAll(keepingCapacity: true)
            return true
        }
        return gathering.report(since, until, verification)
    }

    fileprivate init(
        _ since: HistoryPosition,
        _ until: HistoryPosition,
        _ gathering: Gathering,
        _ verification: LogVerification
    ) {
        self.since = since
        self.until = until
        self.verification = verification
        let changed = gathering.lanes.filter { $0.value.count > 1 || $0.value.first?.from != since.time }
        lanes = changed.sorted { $0.key < $1.key }.prefix(Self.lanesShown).map {
            Lane(instance: $0.key, spans: $0.value)
        }
        quietInstances = gathering.lanes.count - changed.count
        counts = gathering.counts
        events = gathering.events
        eventsInAll = gathering.eventsInAll
        actors = gathering.actors.sorted { ($1.value, $0.key) < ($0.value, $1.key) }.map { ($0.key, $0.value) }
    }
}

/// What is put together event by event.
private struct Gathering {
    let since: Timestamp
    let service: ServiceName?
    var lanes: [InstanceKey: [IncidentReport.Span]] = [:]
    var counts: [IncidentReport.Count] = []
    var events: [Event] = []
    var eventsInAll = 0
    var actors: [String: Int] = [:]
    private var routable = 0
    private var registered = 0

    init(since: Timestamp, service: ServiceName?) {
        self.since = since
        self.service = service
    }

    mutating func begin(_ store: InMemoryRecordStore) {
        for name in store.serviceNames where service == nil || service == name {
            for row in store.rows(of: name) { set(row.instance.key, row.state.health, since) }
        }
        counts.append(.init(time: since, routable: routable, registered: registered))
    }

    mutating func take(_ event: Event, _ changes: [ViewChange], _ store: InMemoryRecordStore) {
        let summary = EventSummary(event)
        guard service == nil || summary.service == nil || summary.service == service else { return }
        for change in changes {
            switch change {
            case .upserted(let key), .removed(let key): set(key, store.state(of: key)?.health, event.time)
            case .policyChanged, .deniedChanged: continue
            }
        }
        if let last = counts.last, last.routable != routable || last.registered != registered {
            counts.append(.init(time: event.time, routable: routable, registered: registered))
        }
        if event.actor != nil { actors[event.actorText, default: 0] += 1 }
        eventsInAll += 1
        if events.count < IncidentReport.eventsShown { events.append(event) }
    }

    private mutating func set(_ key: InstanceKey, _ health: Health?, _ time: Timestamp) {
        let before = lanes[key]?.last?.health
        guard before != health || lanes[key] == nil else { return }
        routable += (health?.isRoutable == true ? 1 : 0) - (before?.isRoutable == true ? 1 : 0)
        registered += (health == nil ? 0 : 1) - (before == nil ? 0 : 1)
        if let count = lanes[key]?.count, count > 0 { lanes[key]?[count - 1].to = time }
        lanes[key, default: []].append(.init(from: time, to: time, health: health))
    }

    mutating func report(
        _ since: HistoryPosition,
        _ until: HistoryPosition,
        _ verification: LogVerification
    ) -> IncidentReport {
        for key in lanes.keys {
            if let count = lanes[key]?.count, count > 0 { lanes[key]?[count - 1].to = until.time }
        }
        counts.append(.init(time: until.time, routable: routable, registered: registered))
        return IncidentReport(since, until, self, verification)
    }
}

import EventLog
public import RegistryModel

/// Which instances of a service were routable at a moment, and why each other one was not.
///
/// Instances that were gone by then are told of where they left within a day; where nothing else is left of the service,
/// whenever they left. It says what the registry said; which instance a sidecar then picked is in the sidecar's access log.
public struct RoutingExplanation: Sendable {
    public struct Line: Sendable {
        public var instance: InstanceID
        public var isRoutable: Bool
        /// nil: not registered any more.
        public var health: Health?
        public var because: String
        public var since: Timestamp
        /// Most of its ttl had passed in silence.
        public var isOverdueSoon: Bool
    }

    /// What befell a routable instance shortly afterwards.
    public struct Afterwards: Sendable {
        public var instance: InstanceID
        public var event: Event
        public var after: Duration
    }

    public let service: ServiceName
    public let position: HistoryPosition
    /// Routable ones first, then by instance.
    public let lines: [Line]
    public let afterwards: [Afterwards]
    public let policy: HealthPolicy
    public let protection: RegistryRecord.Protection?
    public let nearestNames: [String]
    /// Snapshots that should have helped and did not, in words; the answer is right without them.
    public let warnings: [String]

    public var routable: Int {
        lines.count { $0.isRoutable }
    }

    /// So long is looked ahead for what came next.
    private static let lookAhead = Duration.seconds(120)
    /// So long ago may have left who is told of as gone.
    private static let goneWithin = Duration.seconds(86_400)

    /// - Parameter defaults: the daemon's own ttl, which the log does not hold.
    public static func of(
        _ service: ServiceName,
        at position: HistoryPosition,
        in source: AuditSource,
        defaults: HealthPolicy = .default
    ) throws -> RoutingExplanation {
        let reader = try source.logReader()
        let start = try ReplayStart.nearest(to: position.sequence, in: source)
        let horizon = position.time.advanced(by: .zero - goneWithin)
        var store = start.store
        var last = try lastEvents(of: service, since: horizon, through: start.sequence, reader)
        var changes: [ViewChange] = []
        var afterwards: [Afterwards] = []
        try reader.forEach(from: start.sequence.next) { event, _ in
            let about = about(event, service)
            guard event.sequence <= position.sequence else {
                guard event.time.since(position.time) <= lookAhead else { return false }
                if let about, isTurn(event), !afterwards.contains(where: { $0.instance == about }) {
                    afterwards.append(
                        Afterwards(instance: about, event: event, after: event.time.since(position.time))
                    )
                }
                return true
            }
            Projection.apply(event, to: &store, changes: &changes)
            changes.removeAll(keepingCapacity: true)
            if let about, event.time >= horizon { last[about] = event }
            return true
        }
        let policy = Self.policy(store.service(service)?.policy, defaults)
        let beats = try lastBeats(before: position.time, source, within: policy.ttl * 4)
        let rows = store.rows(of: service)
        if rows.isEmpty, last.isEmpty {
            last = try lastEvents(of: service, since: .distantPast, through: position.sequence, reader)
        }
        var lines = try rows.map { row in
            let cause = row.state.health == .draining ? try reader.event(row.state.modified) : nil
            return line(row, cause, beats[row.state.handle], policy, position.time)
        }
        let present = Set(rows.map(\.instance.key.id))
        for (id, event) in last where !present.contains(id) { lines.append(goneLine(id, event)) }
        lines.sort { ($0.isRoutable ? 0 : 1, $0.instance) < ($1.isRoutable ? 0 : 1, $1.instance) }
        return RoutingExplanation(
            service: service,
            position: position,
            lines: lines,
            afterwards: afterwards.filter { later in lines.contains { $0.instance == later.instance && $0.isRoutable }
            },
            policy: policy,
            protection: store.registry().protection,
            nearestNames: lines.isEmpty
                ? NearestName.matches(for: service.description, in: store.serviceNames.map(\.description), limit: 3)
                : [],
            warnings: start.warnings
        )
    }

    private static func about(_ event: Event, _ service: ServiceName) -> InstanceID? {
        EventSummary(event).instance.flatMap { $0.service == service ? $0.id : nil }
    }

    /// The last event of each of a service's instances from a time on, through a sequence.
    private static func lastEvents(
        of service: ServiceName,
        since: Timestamp,
        through last: SequenceNumber,
        _ reader: LogReader
    ) throws -> [InstanceID: Event] {
        var found: [InstanceID: Event] = [:]
        guard last > .none else { return found }
        try reader.forEach(since: since, until: nil) { event, _ in
            guard event.sequence <= last else { return false }
            if let about = about(event, service) { found[about] = event }
            return true
        }
        return found
    }

    /// Whether an event may end an instance's being routable.
    private static func isTurn(_ event: Event) -> Bool {
        switch event.kind {
        case .healthChanged(let change): change.from != change.to
        case .instanceDeregistered, .instanceDraining: true
        default: false
        }
    }

    private static func policy(_ policy: MeshPolicy?, _ defaults: HealthPolicy) -> HealthPolicy {
        HealthPolicy(
            ttl: policy?.ttlMilliseconds.map { .milliseconds(Int64(clamping: $0)) } ?? defaults.ttl,
            deregisterAfter: policy?.deregisterAfterMilliseconds.map { .milliseconds(Int64(clamping: $0)) }
                ?? defaults.deregisterAfter
        )
    }

    private static func lastBeats(
        before time: Timestamp,
        _ source: AuditSource,
        within window: Duration
    ) throws -> [InstanceHandle: Timestamp] {
        var found: [InstanceHandle: Timestamp] = [:]
        let since = time.advanced(by: .zero - window)
        try source.beatsReader()?.forEach(since: since, until: time.advanced(by: .seconds(2))) { event, _ in
            guard case .heartbeats(let packed) = event.kind else { return true }
            // swift-format-ignore: ReplaceForEachWithForLoop
            try packed.forEach { handle, beat in
                if beat <= time { found[handle] = max(found[handle] ?? beat, beat) }
            }
            return true
        }
        return found
    }

    // MARK: Words

    private static func line(
        _ row: InMemoryRecordStore.Row,
        _ last: Event?,
        _ beat: Timestamp?,
        _ policy: HealthPolicy,
        _ now: Timestamp
    ) -> Line {
        var ttl = policy.ttl
        if case .ttl(let milliseconds) = row.instance.lease { ttl = .milliseconds(Int64(clamping: milliseconds)) }
        let heard = max(
            beat ?? row.state.registeredAt,
            row.state.cause == .heartbeatMissed ? .distantPast : row.state.since
        )
        let silence = now.since(heard)
        let isLeased = row.instance.lease != .permanent
        let isLate = isLeased && silence > ttl * 3 / 4
        return Line(
            instance: row.instance.key.id,
            isRoutable: row.state.health.isRoutable,
            health: row.state.health,
            because: because(row, last, silence, isBeat: beat != nil, isLate ? ttl : nil),
            since: row.state.since,
            isOverdueSoon: row.state.health.isRoutable && isLate
        )
    }

    private static func because(
        _ row: InMemoryRecordStore.Row,
        _ last: Event?,
        _ silence: Duration,
        isBeat: Bool,
        _ ttl: Duration?
    ) -> String {
        let detail = row.state.detail.isEmpty ? "" : ": \(row.state.detail)"
        let heard = isBeat ? "last beat \(seconds(silence)) before" : "last heard of \(seconds(silence)) before"
        switch row.state.health {
        case .healthy:
            if row.instance.externalURL != nil { return "external, probed by the registry" }
            if row.instance.lease == .permanent { return "static: never expires" }
            return heard + (ttl.map { ", ttl \(seconds($0))" } ?? "")
        case .degraded: return "offered last: \(row.state.cause)\(detail)"
        case .starting: return "registered, not yet known to serve"
        case .unhealthy:
            return row.state.cause == .heartbeatMissed ? "no heartbeat: \(heard)" : "\(row.state.cause)\(detail)"
        case .draining:
            let request = last.map { $0.requestID.isEmpty ? "" : ", request \($0.requestID)" } ?? ""
            return "\(last?.actorText ?? "registry")\(request)"
        }
    }

    private static func goneLine(_ id: InstanceID, _ event: Event) -> Line {
        var because = EventSummary(event).text
        if case .instanceDeregistered(_, _, let cause) = event.kind, cause == .requested {
            because += " by \(event.actorText)"
        }
        return Line(
            instance: id,
            isRoutable: false,
            health: nil,
            because: because,
            since: event.time,
            isOverdueSoon: false
        )
    }

    static func seconds(_ duration: Duration) -> String {
        let tenths = max(0, duration.milliseconds) / 100
        return tenths.isMultiple(of: 10) ? "\(tenths / 10)s" : "\(tenths / 10).\(tenths % 10)s"
    }
}

extension Timestamp {
    fileprivate static let distantPast = Timestamp(rawValue: .min)
}

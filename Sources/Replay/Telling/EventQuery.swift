import EventLog
public import RegistryModel

/// Which events are asked for. What is nil does not narrow.
public struct EventQuery: Sendable {
    public var since: Moment?
    public var until: Moment?
    public var service: ServiceName?
    public var instance: InstanceID?
    /// Names of kinds, as ``EventSummary/kind``.
    public var kinds: Set<String> = []
    /// Part of the actor's text.
    public var actor: String?

    public init() {}

    public func matches(_ event: Event) -> Bool {
        let summary = EventSummary(event)
        return (service == nil || summary.service == service) && (instance == nil || summary.instance?.id == instance)
            && (kinds.isEmpty || kinds.contains(summary.kind))
            && (actor.map { event.actorText.contains($0) } ?? true)
    }

    /// Shows what matches, in order, until `body` returns false.
    ///
    /// - Returns: the last event looked at.
    @discardableResult
    public func run(in source: AuditSource, _ body: (Event) throws -> Bool) throws -> SequenceNumber {
        let first = try since?.firstSequence(in: source) ?? SequenceNumber(1)
        let last = try until?.resolve(in: source).sequence
        var reached = SequenceNumber.none
        if let last, last < first { return last }
        try source.logReader().forEach(from: first, through: last) { event, _ in
            reached = event.sequence
            return matches(event) ? try body(event) : true
        }
        return reached
    }
}

extension Moment {
    /// The first event at this moment or behind it.
    func firstSequence(in source: AuditSource) throws -> SequenceNumber {
        switch self {
        case .sequence(let sequence): max(sequence, SequenceNumber(1))
        case .time(let time):
            try source.logReader().lastSequence(notAfter: time.advanced(by: .nanoseconds(-1))).next
        case .now: try source.logReader().lastSequence.next
        }
    }
}

import EventLog
public import RegistryModel

/// How much happened when: events counted into equal steps of time, for whoever looks for the moment that matters.
public struct EventTimeline: Sendable, Equatable {
    /// What befell instances in one step.
    public struct Step: Sendable, Equatable {
        public var registered: UInt64 = 0
        public var deregistered: UInt64 = 0
        /// Came to be offered to callers no longer, or degraded.
        public var worse: UInt64 = 0
        public var better: UInt64 = 0
        /// Policies, certificates, the registry's own doings.
        public var other: UInt64 = 0

        public init() {}
    }

    public static let mostSteps = 1_000

    /// When history begins.
    public let begins: Timestamp
    public let since: Timestamp
    public let until: Timestamp
    public private(set) var steps: [Step]

    /// - Parameters:
    ///   - since: nil: from the beginning.
    ///   - until: nil: to the last event, or to `since` where that lies behind it.
    ///   - count: of steps, 1 to ``mostSteps``.
    /// - Throws: `not-found` where nothing is recorded yet; `too-long` where more events than that lie between.
    public init(
        of source: AuditSource,
        since: Timestamp?,
        until: Timestamp?,
        count: Int,
        eventsAtMost: UInt64 = .max
    ) throws {
        let reader = try source.logReader()
        begins = try Self.time(of: SequenceNumber(1), in: reader)
        self.since = max(since ?? begins, begins)
        self.until = max(try until ?? Self.time(of: reader.lastSequence, in: reader), self.since)
        steps = [Step](repeating: Step(), count: min(max(1, count), Self.mostSteps))
        let first = try Moment.time(self.since).firstSequence(in: source)
        let last = try reader.lastSequence(notAfter: self.until)
        guard first <= last else { return }
        guard last.rawValue - first.rawValue < eventsAtMost else {
            throw ReplayError(.tooLong, "more lies between than is read for an answer")
        }
        try reader.forEach(from: first, through: last) { event, _ in
            steps[index(of: event.time)].count(event.kind)
            return true
        }
    }

    private static func time(of sequence: SequenceNumber, in reader: LogReader) throws -> Timestamp {
        guard let event = try reader.event(sequence) else {
            throw ReplayError(.notFound, "nothing is recorded here yet")
        }
        return event.time
    }

    private func index(of time: Timestamp) -> Int {
        let span = max(1, until.rawValue - since.rawValue)
        let offset = min(max(0, time.rawValue - since.rawValue), span)
        return min(steps.count - 1, Int(Double(offset) / Double(span) * Double(steps.count)))
    }

    public func write(to json: inout JSONWriter) {
        json.beginObject()
        json.member("begins", begins)
        json.member("since", since)
        json.member("until", until)
        json.key("steps")
        json.beginArray()
        for step in steps {
            json.beginObject()
            // Most are empty: what is 0 is left out.
            for (name, value) in [
                ("registered", step.registered), ("deregistered", step.deregistered), ("worse", step.worse),
                ("better", step.better), ("other", step.other),
            ] where value > 0 { json.member(name, value) }
            json.endObject()
        }
        json.endArray()
        json.endObject()
    }
}

extension EventTimeline.Step {
    fileprivate mutating func count(_ kind: EventKind) {
        switch kind {
        case .instanceRegistered, .externalServiceAdded: registered += 1
        case .instanceDeregistered, .externalServiceRemoved: deregistered += 1
        case .instanceDraining: worse += 1
        case .healthChanged(let change):
            if change.to == .healthy { better += 1 } else { worse += 1 }
        default: other += 1
        }
    }
}

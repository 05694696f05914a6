import EventLog
public import RegistryModel

/// How recorded history would have gone under other rules of silence: recorded heartbeats and acts are run again through
/// the very code that decides live (``HealthPolicy``, ``MassExpiryGuard``).
///
/// An expiry is *false* where the instance beat again later, without registering anew. An instance is *dead and
/// routable* from its last beat until it is marked, or goes of its own. A start of the registry gives every instance a
/// whole ttl. Services' own policies, as they were set at the time, are part of the rules.
public struct PolicySimulation: Sendable {
    public struct Rules: Sendable, Equatable {
        public var policy: HealthPolicy
        public var guardOptions: MassExpiryGuard.Options
        /// What these services' policies are supposed to say; whatever they leave open is as recorded at the time.
        public var overrides: [ServiceName: MeshPolicy]

        public init(
            policy: HealthPolicy = .default,
            guardOptions: MassExpiryGuard.Options = .init(),
            overrides: [ServiceName: MeshPolicy] = [:]
        ) {
            self.policy = policy
            self.guardOptions = guardOptions
            self.overrides = overrides
        }
    }

    /// What came of silence.
    public struct Tally: Sendable, Equatable {
        public var deadMilliseconds: Int64 = 0
        public var falseExpiries: UInt64 = 0
        public var expiries: UInt64 = 0
    }

    public struct ServiceOutcome: Sendable {
        public var service: ServiceName
        public var recorded: Tally
        public var supposed: Tally
    }

    public internal(set) var since: Timestamp
    public internal(set) var until: Timestamp
    public internal(set) var heartbeats: UInt64 = 0
    public internal(set) var recorded = Tally()
    public internal(set) var supposed = Tally()
    public internal(set) var recordedGuardTrips: UInt64 = 0
    public internal(set) var supposedGuardTrips: UInt64 = 0
    /// The most changed for the worse first.
    public internal(set) var services: [ServiceOutcome] = []

    /// What is compared, in words, with how much of it was recorded and is supposed.
    public var measures: [(name: String, recorded: UInt64, supposed: UInt64)] {
        [
            (
                "dead instances routable, seconds", UInt64(clamping: recorded.deadMilliseconds / 1_000),
                UInt64(clamping: supposed.deadMilliseconds / 1_000)
            ), ("expired though alive (false)", recorded.falseExpiries, supposed.falseExpiries),
            ("guard trips", recordedGuardTrips, supposedGuardTrips),
        ]
    }

    /// Its members, as JSON.
    public func writeMembers(to json: inout JSONWriter) {
        json.member("since", since)
        json.member("until", until)
        json.member("heartbeats", heartbeats)
        recorded.write("recorded", to: &json)
        supposed.write("supposed", to: &json)
        json.member("recorded_guard_trips", recordedGuardTrips)
        json.member("supposed_guard_trips", supposedGuardTrips)
        json.key("services")
        json.beginArray()
        for service in services {
            json.beginObject()
            json.member("service", service.service.description)
            service.recorded.write("recorded", to: &json)
            service.supposed.write("supposed", to: &json)
            json.endObject()
        }
        json.endArray()
        json.member("advice", advice)
    }

    /// One sentence, for whoever must decide.
    public var advice: String {
        let moreFalse = Int64(clamping: supposed.falseExpiries) - Int64(clamping: recorded.falseExpiries)
        let lessDead = recorded.deadMilliseconds - supposed.deadMilliseconds
        let seconds = abs(lessDead) / 1_000
        if moreFalse == 0, lessDead == 0 { return "Nothing would have differed." }
        if moreFalse <= 0, lessDead >= 0 {
            return "Better: \(seconds) s less of dead instances served, and \(-moreFalse) fewer false expiries."
        }
        if moreFalse >= 0, lessDead <= 0 {
            return "Worse: \(seconds) s more of dead instances served, and \(moreFalse) more false expiries."
        }
        if moreFalse > 0 {
            return "A trade: \(seconds) s less of dead instances served for \(moreFalse) more that were taken for dead."
        }
        return "A trade: \(-moreFalse) fewer that were taken for dead for \(seconds) s more of dead instances served."
    }

    /// - Parameters:
    ///   - recordedTTL: everybody's that was in force, which the log does not hold.
    ///   - supposed: the rules to try. An instance's own ttl, where it registered one, stays.
    ///   - progress: through when history has been run.
    /// - Throws: ``ReplayError`` where the heartbeats of that time are not held.
    public static func run(
        _ source: AuditSource,
        since: Timestamp,
        until: Timestamp,
        recordedTTL: Duration,
        supposed: Rules,
        progress: (Timestamp) -> Void = { _ in }
    ) throws -> PolicySimulation {
        guard let beats = try source.beatsReader(), let first = try firstBeats(beats) else {
            throw ReplayError(.notFound, "no heartbeats are held here: they cannot be re-run")
        }
        guard first.time <= since || first.sequence == SequenceNumber(1) else {
            throw ReplayError(
                .notFound,
                "Heartbeats before \(first.time.utcText) were thinned by retention: they cannot be re-run",
                hint: "--since \(first.time.utcText), or keep more from now on: hms-regd --keep-heartbeats 90d"
            )
        }
        // What was under way when the time begins has begun by then.
        let leadIn = max(recordedTTL * 4, supposed.policy.ttl * 4, .seconds(60))
        let wanted = since.advanced(by: .zero - leadIn)
        let begin = first.sequence == SequenceNumber(1) ? wanted : max(first.time, wanted)
        var run = SimulationRun(since: since, until: until, supposed)
        let reader = try source.logReader()
        let before = try reader.lastSequence(notAfter: begin)
        if before > .none {
            let state = try StateReconstruction.at(HistoryPosition(sequence: before, time: begin), in: source)
            run.begin(state.store, at: begin, recordedTTL: recordedTTL)
        }
        var log = EventFeed(reader, from: before.next, until: until)
        try beats.forEach(since: begin, until: until.advanced(by: .seconds(60))) { event, _ in
            try run.takeLog(&log, through: event.time)
            guard case .heartbeats(let packed) = event.kind else { return true }
            try run.take(packed, event.time)
            progress(event.time)
            return true
        }
        try run.takeLog(&log, through: until)
        return run.finish()
    }

    private static func firstBeats(_ beats: LogReader) throws -> Event? {
        var found: Event?
        try beats.forEach(from: try beats.segments().first ?? SequenceNumber(1)) { event, _ in
            found = event
            return false
        }
        return found
    }
}

extension PolicySimulation.Tally {
    fileprivate func write(_ name: String, to json: inout JSONWriter) {
        json.key(name)
        json.beginObject()
        json.member("dead_routable_ms", deadMilliseconds)
        json.member("false_expiries", falseExpiries)
        json.member("expiries", expiries)
        json.endObject()
    }

    static func += (left: inout Self, right: Self) {
        left.deadMilliseconds += right.deadMilliseconds
        left.falseExpiries += right.falseExpiries
        left.expiries += right.expiries
    }
}

extension PolicySimulation.ServiceOutcome {
    /// False expiries that would be added, then dead seconds.
    var worse: Int64 {
        (Int64(clamping: supposed.falseExpiries) - Int64(clamping: recorded.falseExpiries)) * 1_000_000_000
            + supposed.deadMilliseconds - recorded.deadMilliseconds
    }
}

/// The log's events in pieces, so that heartbeats can be put between them.
struct EventFeed {
    private static let piece = 4_096

    private let reader: LogReader
    private let until: Timestamp
    private var buffer: [Event] = []
    private var position = 0
    private var next: SequenceNumber
    private var isAtEnd = false

    init(_ reader: LogReader, from first: SequenceNumber, until: Timestamp) {
        self.reader = reader
        self.until = until
        next = first
    }

    /// The next event up to `time`; nil where none is left.
    mutating func pop(through time: Timestamp) throws -> Event? {
        if position == buffer.count, !isAtEnd { try refill() }
        guard position < buffer.count, buffer[position].time <= time else { return nil }
        position += 1
        return buffer[position - 1]
    }

    private mutating func refill() throws {
        buffer.removeAll(keepingCapacity: true)
        position = 0
        var found: [Event] = []
        let until = until
        try reader.forEach(from: next) { event, _ in
            guard event.time <= until else { return false }
            found.append(event)
            return found.count < Self.piece
        }
        buffer = found
        isAtEnd = found.count < Self.piece
        if let last = found.last { next = last.sequence.next }
    }
}

import EventLog
import Glibc
import MaterializedView
import Registry
import RegistryModel
import Replay
import TestSupport
import Testing

@Suite("Questions about history")
struct QuestionTests {
    /// A log of these events, a second apart unless they say when, and the heartbeats of some handles at some seconds.
    private func withHistory(
        _ kinds: [(at: Int64, kind: EventKind)],
        beats: [(handle: UInt64, at: Int64)] = [],
        _ body: (AuditSource) throws -> Void
    ) throws {
        try withTemporaryDirectory { directory in
            for stream in ["", "/log", "/beats"] { mkdir(directory + "/data" + stream, 0o700) }
            let identity = LogIdentity(registryID: RegistryID(rawValue: 5), epoch: Epoch(rawValue: 6))
            let log = try SegmentedLog.open(
                directory: directory + "/data/log",
                identityIfNew: identity,
                knownDurable: .none,
                cleanStop: nil
            ).log
            for (index, entry) in kinds.enumerated() {
                let event = Event(
                    sequence: SequenceNumber(UInt64(index) + 1),
                    time: .sample(entry.at),
                    actor: index == 0 ? nil : Actor(.uid(1_000), peer: index.isMultiple(of: 2) ? "10.0.0.9:4711" : ""),
                    requestID: "r-\(index + 1)",
                    kind: entry.kind
                )
                _ = try log.append([EncodedEvent(event)])
            }
            try log.closeCleanly()
            let beatLog = try BeatLog.open(directory: directory + "/data/beats", identity: identity, cleanStop: true)
            for beat in beats {
                var packer = HeartbeatPacker()
                packer.append(SequenceNumber(beat.handle), at: .sample(beat.at))
                _ = try beatLog.append(
                    packer.pack(following: log.lastSequence, now: .sample(beat.at)),
                    time: .sample(beat.at)
                )
            }
            try beatLog.closeCleanly()
            try body(try AuditSource(dataDirectory: directory + "/data"))
        }
    }

    private func instance(_ number: Int) throws -> Instance {
        try sampleInstance("billing", "b-\(number)", port: UInt16(7_000 + number))
    }

    private func change(
        _ number: Int,
        _ handle: UInt64,
        _ from: Health,
        _ to: Health,
        _ cause: TransitionCause
    ) throws -> EventKind {
        .healthChanged(
            HealthChange(
                key: try instance(number).key,
                handle: SequenceNumber(handle),
                from: from,
                to: to,
                cause: cause
            )
        )
    }

    private func story() throws -> [(at: Int64, kind: EventKind)] {
        [
            (0, .registryStarted(version: "1", clean: false)),
            (10, .instanceRegistered(try instance(1), health: .healthy)),
            (20, .instanceRegistered(try instance(2), health: .healthy)),
            (30, .instanceRegistered(try instance(3), health: .starting)),
            (40, .instanceRegistered(try instance(4), health: .healthy)),
            (50, .instanceDraining(try instance(4).key, handle: SequenceNumber(5))),
            (60, .instanceRegistered(try instance(5), health: .healthy)),
            (70, .instanceDeregistered(try instance(5).key, handle: SequenceNumber(7), cause: .requested)),
            (95, try change(2, 3, .healthy, .unhealthy, .heartbeatMissed)),
            (130, try change(1, 2, .healthy, .unhealthy, .heartbeatMissed)),
        ]
    }

    @Test("a moment is a time, a sequence, an age or a time of the day, and nothing else")
    func moments() throws {
        let now = Timestamp.sample(100_000)
        #expect(Moment("now", now: now) == .now)
        #expect(Moment("48213", now: now) == .sequence(SequenceNumber(48_213)))
        #expect(Moment("2026-01-01T00:00:07Z", now: now) == .time(.sample(7)))
        #expect(Moment("2026-01-02", now: now) == .time(.sample(86_400)))
        #expect(Moment("1h30m", now: now) == .time(.sample(100_000 - 5_400)))
        #expect(Moment("7d", now: now) == .time(.sample(100_000 - 604_800)))
        guard case .time(let clock) = Moment("14:05", now: now) else {
            Issue.record("14:05 is a time")
            return
        }
        #expect(clock <= now && now.since(clock) <= .seconds(86_400))
        for text in ["", "yesterday", "25:00", "14:5", "1x", "-5", "12345678d", "2026-13-01"] {
            #expect(Moment(text, now: now) == nil, "\(text)")
        }
    }

    @Test("the state of a moment is the fold of everything through it")
    func states() throws {
        try withHistory(try story()) { source in
            for (second, expected) in [(5, 0), (10, 1), (35, 3), (65, 5), (200, 4)] as [(Int64, Int)] {
                let state = try StateReconstruction.at(
                    try Moment.time(.sample(second)).resolve(in: source),
                    in: source
                )
                #expect(state.store.instanceCount == expected, "after \(second) s")
            }
            #expect(throws: ReplayError.self) { _ = try Moment.time(.sample(-1)).resolve(in: source) }
            #expect(throws: ReplayError.self) { _ = try Moment.sequence(SequenceNumber(11)).resolve(in: source) }
            #expect(try Moment.now.resolve(in: source).sequence == SequenceNumber(10))
        }
    }

    @Test("after the clock was set back, a time means its latest stretch, and the step is said")
    func clockStep() throws {
        var kinds = try story()
        kinds.append((140, .clockStepped(from: .sample(140), to: .sample(15))))
        kinds.append((16, .instanceRegistered(try instance(6), health: .healthy)))
        kinds.append((60, .instanceRegistered(try instance(7), health: .healthy)))
        try withHistory(kinds) { source in
            let position = try Moment.time(.sample(30)).resolve(in: source)
            #expect(position.sequence == SequenceNumber(12))
            let state = try StateReconstruction.at(position, in: source)
            #expect(state.remarks.map(\.sequence) == [SequenceNumber(11)])
            #expect(try LogVerification.run(source).problems == [])
        }
    }

    @Test("explains who was routable, why the others were not, and what came next")
    func explanation() throws {
        try withHistory(try story(), beats: [(2, 98), (2, 75), (3, 60)]) { source in
            let position = try Moment.time(.sample(100)).resolve(in: source)
            let explanation = try RoutingExplanation.of(try ServiceName("billing"), at: position, in: source)
            let told = explanation.lines.map {
                "\($0.instance) \($0.isRoutable) \($0.health.map { "\($0)" } ?? "-"): \($0.because)"
            }
            #expect(
                told == [
                    "b-1 true healthy: last beat 2s before",
                    "b-2 false unhealthy: no heartbeat: last beat 40s before",
                    "b-3 false starting: registered, not yet known to serve",
                    "b-4 false draining: uid 1000, request r-6",
                    "b-5 false -: deregistered: requested by uid 1000",
                ]
            )
            #expect(explanation.routable == 1)
            #expect(explanation.afterwards.map(\.instance.description) == ["b-1"])
            #expect(explanation.afterwards.first?.after == .seconds(30))
            let unknown = try RoutingExplanation.of(try ServiceName("biling"), at: position, in: source)
            #expect(unknown.lines.isEmpty && unknown.nearestNames == ["billing"])
        }
    }

    @Test("the difference of two moments names what was added, removed and changed")
    func difference() throws {
        try withHistory(try story()) { source in
            let old = try StateReconstruction.at(try Moment.time(.sample(45)).resolve(in: source), in: source)
            let new = try StateReconstruction.at(try Moment.now.resolve(in: source), in: source)
            let changes = StateDiff(from: old.store, to: new.store).changes
            #expect(
                changes.map { "\($0.kind) \($0.instance?.description ?? "-") \($0.facts.joined(separator: "; "))" } == [
                    "changed b-1 health healthy → unhealthy (heartbeat-missed)",
                    "changed b-2 health healthy → unhealthy (heartbeat-missed)",
                    "changed b-4 health healthy → draining (requested)",
                ]
            )
            #expect(StateDiff(from: new.store, to: new.store).changes == [])
            let whole = StateDiff(from: try InMemoryRecordStore(), to: new.store).changes
            #expect(whole.map(\.kind) == [.added, .added, .added, .added, .added])
        }
    }

    @Test("events are found by time, service, instance, kind and actor")
    func events() throws {
        try withHistory(try story()) { source in
            func found(_ change: (inout EventQuery) -> Void) throws -> [UInt64] {
                var query = EventQuery()
                change(&query)
                var sequences: [UInt64] = []
                try query.run(in: source) { event in
                    sequences.append(event.sequence.rawValue)
                    return true
                }
                return sequences
            }
            #expect(try found { _ in } == Array(1...10))
            #expect(try found { $0.since = .time(.sample(60)) } == [7, 8, 9, 10])
            #expect(try found { $0.until = .time(.sample(60)) } == Array(1...7))
            #expect(try found { $0.since = .sequence(SequenceNumber(9)) } == [9, 10])
            let id = try InstanceID("b-5")
            #expect(try found { $0.instance = id } == [7, 8])
            #expect(try found { $0.kinds = ["health_changed"] } == [9, 10])
            #expect(try found { $0.actor = "10.0.0.9" } == [3, 5, 7, 9])
            let other = try ServiceName("other")
            #expect(try found { $0.service = other } == [])
        }
    }

    @Test("who acted is told with how often, and statistics count everything")
    func whoAndStatistics() throws {
        try withHistory(try story(), beats: [(2, 15), (3, 25)]) { source in
            let report = try RegistrarReport.of(try ServiceName("billing"), in: source)
            let ended = report.acts.filter { $0.kind == "instance_deregistered" }
            #expect(ended.map(\.instance?.description) == ["b-5"])
            #expect(ended.first?.actor == "uid 1000")
            let statistics = try LogStatistics.of(source)
            #expect(statistics.events == 10)
            #expect(statistics.heartbeats == 2)
            #expect(statistics.kinds["instance_registered"] == 5)
            #expect(statistics.crashes == 1)
            #expect(statistics.logBytes > 0 && statistics.beatsBytes > 0)
        }
    }

    @Test("a view that is rebuilt has the digest of the replay")
    func rebuild() throws {
        try withHistory(try story()) { source in
            let directory = source.name + "/rebuilt"
            let rebuilt = try ViewRebuild.run(source, into: directory)
            let state = try StateReconstruction.at(try Moment.now.resolve(in: source), in: source)
            #expect(rebuilt.digest == state.store.stateDigest())
            #expect(rebuilt.sequence == SequenceNumber(10) && rebuilt.instances == 4)
            #expect(throws: ReplayError.self) { _ = try ViewRebuild.run(source, into: directory) }
        }
    }
}

import EventLog
import Glibc
import RegistryModel
import Replay
import TestSupport
import Testing

@Suite("How much happened when")
struct EventTimelineTests {
    /// A registration at 0 s, a health that goes and comes back at 10 s and 20 s, a deregistration at 99 s.
    private func withTimeline(
        since: Int64? = nil,
        until: Int64? = nil,
        count: Int,
        _ body: (EventTimeline) throws -> Void
    ) throws {
        let instance = try sampleInstance("billing", "b-1")
        let handle = InstanceHandle(1)
        func change(_ from: Health, _ to: Health, _ cause: TransitionCause) -> EventKind {
            .healthChanged(HealthChange(key: instance.key, handle: handle, from: from, to: to, cause: cause))
        }
        let kinds: [(at: Int64, kind: EventKind)] = [
            (0, .instanceRegistered(instance, health: .healthy)), (10, change(.healthy, .unhealthy, .heartbeatMissed)),
            (20, change(.unhealthy, .healthy, .heartbeatResumed)),
            (99, .instanceDeregistered(instance.key, handle: handle, cause: .requested)),
        ]
        try withTemporaryDirectory { directory in
            for folder in ["", "/log"] { mkdir(directory + "/data" + folder, 0o700) }
            let log = try SegmentedLog.open(
                directory: directory + "/data/log",
                identityIfNew: LogIdentity(registryID: RegistryID(rawValue: 5), epoch: Epoch(rawValue: 6)),
                knownDurable: .none,
                cleanStop: nil
            ).log
            for (index, entry) in kinds.enumerated() {
                let sequence = SequenceNumber(UInt64(index) + 1)
                _ = try log.append([
                    EncodedEvent(Event(sequence: sequence, time: .sample(entry.at), actor: nil, kind: entry.kind))
                ])
            }
            try log.closeCleanly()
            try body(
                try EventTimeline(
                    of: try AuditSource(dataDirectory: directory + "/data"),
                    since: since.map { .sample($0) },
                    until: until.map { .sample($0) },
                    count: count
                )
            )
        }
    }

    @Test("each event stands in the step of its time, the last one too")
    func steps() throws {
        try withTimeline(count: 10) { timeline in
            #expect(timeline.begins == .sample(0))
            #expect(timeline.until == .sample(99))
            #expect(timeline.steps.map(\.registered) == [1, 0, 0, 0, 0, 0, 0, 0, 0, 0])
            #expect(timeline.steps.map(\.worse) == [0, 1, 0, 0, 0, 0, 0, 0, 0, 0])
            #expect(timeline.steps.map(\.better) == [0, 0, 1, 0, 0, 0, 0, 0, 0, 0])
            #expect(timeline.steps.map(\.deregistered) == [0, 0, 0, 0, 0, 0, 0, 0, 0, 1])
        }
    }

    @Test("a part of history is counted alone, and nothing lies before its beginning")
    func part() throws {
        try withTimeline(since: 15, until: 50, count: 1) { timeline in
            #expect(timeline.steps.map(\.better) == [1])
            #expect(timeline.steps.map { $0.registered + $0.worse + $0.deregistered } == [0])
        }
        try withTimeline(since: -1_000, until: 5, count: 2) { timeline in
            #expect(timeline.since == .sample(0))
            #expect(timeline.steps.map(\.registered) == [1, 0])
        }
        try withTimeline(since: 200, until: 100, count: 3) { timeline in
            #expect(timeline.until == timeline.since)
            #expect(timeline.steps.allSatisfy { $0 == EventTimeline.Step() })
        }
    }
}

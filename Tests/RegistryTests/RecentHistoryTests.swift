import EventLog
import RegistryModel
import TestSupport
import Testing

@testable import Registry

@Suite("What was recorded before a start")
struct RecentHistoryTests {
    private static let policy = HealthPolicy(ttl: .seconds(30), deregisterAfter: .seconds(600))

    /// Logs of a daemon that was started at the given seconds, each time lived for so long, and noted every ten seconds
    /// that it was up; one instance beat with the first such note of all.
    private func record(_ lives: [(start: Int64, seconds: Int64)], in directory: DataDirectory) throws {
        let identity = LogIdentity(registryID: RegistryID(rawValue: 1), epoch: Epoch(rawValue: 1))
        let (log, _) = try SegmentedLog.open(
            directory: directory.log,
            identityIfNew: identity,
            knownDurable: .none,
            cleanStop: nil
        )
        let beats = try BeatLog.open(directory: directory.beats, identity: identity, cleanStop: true)
        var packer = HeartbeatPacker()
        packer.append(SequenceNumber(7), at: .sample(lives[0].start + 1))
        for life in lives {
            let started = Event(
                sequence: log.lastSequence.next,
                time: .sample(life.start),
                actor: nil,
                kind: .registryStarted(version: "0", clean: false)
            )
            _ = try log.append([EncodedEvent(started)])
            for second in stride(from: 10, through: life.seconds, by: 10) {
                let time = Timestamp.sample(life.start + second)
                _ = try beats.append(packer.pack(following: log.lastSequence, now: time), time: time)
            }
        }
    }

    private func history(_ lives: (start: Int64, seconds: Int64)...) throws -> RecentHistory {
        try withTemporaryDirectory { path in
            let directory = try DataDirectory(opening: path)
            try record(lives, in: directory)
            return try RecentHistory.read(directory, policy: Self.policy)
        }
    }

    private func elapsed(_ history: RecentHistory, since second: Int64) -> Duration {
        history.allowance.elapsed(since: .sample(second), ttl: Self.policy.ttl)
    }

    @Test("an empty registry has none")
    func none() throws {
        try withTemporaryDirectory { path in
            let history = try RecentHistory.read(try DataDirectory(opening: path), policy: Self.policy)
            #expect(history.lastBeats.isEmpty && history.allowance.runs.isEmpty)
        }
    }

    @Test("beats of the last two ttls are known, older ones are not needed")
    func lastBeats() throws {
        #expect(try history((0, 50)).lastBeats == [SequenceNumber(7): .sample(1)])
        #expect(try history((0, 200)).lastBeats == [:])
    }

    @Test("long silence and long illness are counted across restarts in full, less one ttl")
    func longTimes() throws {
        let twice = try history((0, 500), (1_000, 60))
        #expect(elapsed(twice, since: 40) == .seconds(460 - 30 + 60))
        // Each life shorter than deregister-after: the dead go all the same.
        let often = try history((0, 300), (500, 200), (1_000, 200), (1_500, 100))
        #expect(elapsed(often, since: 40) >= Self.policy.deregisterAfter)
    }

    @Test("a clock that was set back does not make time run backwards")
    func setBack() throws {
        let history = try history((10_000, 100), (5_000, 100))
        #expect(history.allowance.uptime >= .seconds(100))
        #expect(elapsed(history, since: 10_050) >= .zero)
    }
}

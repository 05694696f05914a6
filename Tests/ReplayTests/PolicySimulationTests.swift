import EventLog
import Glibc
import RegistryModel
import Replay
import TestSupport
import Testing

@Suite("What if")
struct PolicySimulationTests {
    /// Instances that beat every ten seconds but for what each is said to leave out.
    private func withFleet(
        _ count: Int,
        seconds: Int64,
        _ isSilent: (Int, Int64) -> Bool,
        recorded: [(at: Int64, kind: EventKind)] = [],
        _ body: (AuditSource) throws -> Void
    ) throws {
        try withTemporaryDirectory(in: memoryDirectory) { directory in
            for stream in ["", "/log", "/beats"] { mkdir(directory + "/data" + stream, 0o700) }
            let identity = LogIdentity(registryID: RegistryID(rawValue: 5), epoch: Epoch(rawValue: 6))
            let log = try SegmentedLog.open(
                directory: directory + "/data/log",
                identityIfNew: identity,
                knownDurable: .none,
                cleanStop: nil
            ).log
            var events: [EncodedEvent] = []
            func add(_ at: Int64, _ kind: EventKind) {
                let sequence = SequenceNumber(UInt64(events.count) + 1)
                events.append(EncodedEvent(Event(sequence: sequence, time: .sample(at), actor: nil, kind: kind)))
            }
            for number in 1...count { add(0, .instanceRegistered(try instance(number), health: .healthy)) }
            for entry in recorded { add(entry.at, entry.kind) }
            add(seconds, .registryStopped(reason: "end"))
            _ = try log.append(events)
            try log.closeCleanly()
            let beats = try BeatLog.open(directory: directory + "/data/beats", identity: identity, cleanStop: true)
            for second in stride(from: Int64(1), to: seconds, by: 1) {
                var packer = HeartbeatPacker()
                for number in 1...count where (second + Int64(number)) % 10 == 0 && !isSilent(number, second) {
                    packer.append(SequenceNumber(UInt64(number)), at: .sample(second))
                }
                guard packer.count > 0 else { continue }
                _ = try beats.append(packer.pack(following: .none, now: .sample(second)), time: .sample(second))
            }
            try beats.closeCleanly()
            try body(try AuditSource(dataDirectory: directory + "/data"))
        }
    }

    private func instance(_ number: Int) throws -> Instance {
        try sampleInstance("s-\(number % 4)", "i-\(number)")
    }

    private func missed(_ number: Int) throws -> EventKind {
        .healthChanged(
            HealthChange(
                key: try instance(number).key,
                handle: SequenceNumber(UInt64(number)),
                from: .healthy,
                to: .unhealthy,
                cause: .heartbeatMissed
            )
        )
    }

    private func run(_ source: AuditSource, ttl: Int64, _ seconds: Int64) throws -> PolicySimulation {
        try PolicySimulation.run(
            source,
            since: .sample(0),
            until: .sample(seconds),
            recordedTTL: .seconds(30),
            supposed: .init(policy: HealthPolicy(ttl: .seconds(ttl), deregisterAfter: .seconds(600)))
        )
    }

    @Test("the rules that were in force give what was recorded")
    func same() throws {
        // The 3rd dies after 100 s; the 5th is silent from 200 to 250 s.
        let recorded = [(at: Int64(127), kind: try missed(3)), (at: Int64(225), kind: try missed(5))]
        func isSilent(_ number: Int, _ second: Int64) -> Bool {
            number == 3 && second > 100 || number == 5 && (200...250).contains(second)
        }
        try withFleet(8, seconds: 400, isSilent, recorded: recorded) { source in
            let result = try run(source, ttl: 30, 400)
            #expect(result.recorded.expiries == 2 && result.supposed.expiries == 2)
            #expect(result.recorded.falseExpiries == 1 && result.supposed.falseExpiries == 1)
            #expect(abs(result.recorded.deadMilliseconds - result.supposed.deadMilliseconds) <= 2_000)
            #expect((29_000...32_000).contains(result.recorded.deadMilliseconds), "\(result.recorded)")
            #expect(result.supposedGuardTrips == 0)
        }
    }

    @Test("a shorter ttl notices the dead sooner, and takes the slow for dead; a longer one the other way round")
    func tradeOff() throws {
        let recorded = [(at: Int64(127), kind: try missed(3))]
        // The 6th is slow: silent for 26 s three times.
        func isSilent(_ number: Int, _ second: Int64) -> Bool {
            number == 3 && second > 100
                || number == 6 && [60...75, 160...175, 260...275].contains { $0.contains(second) }
        }
        try withFleet(8, seconds: 400, isSilent, recorded: recorded) { source in
            let short = try run(source, ttl: 15, 400)
            #expect(short.recorded.falseExpiries == 0)
            #expect(short.supposed.falseExpiries == 3)
            #expect(short.supposed.deadMilliseconds < short.recorded.deadMilliseconds)
            #expect(short.services.first?.service.description == "s-2")
            #expect(short.advice.hasPrefix("A trade"))
            let long = try run(source, ttl: 60, 400)
            #expect(long.supposed.falseExpiries == 0)
            #expect(long.supposed.deadMilliseconds > long.recorded.deadMilliseconds)
            #expect(long.advice.hasPrefix("Worse"))
        }
    }

    @Test("a service's own policy counts before what is supposed of everybody, and can be supposed itself")
    func ownPolicies() throws {
        // The 3rd (of s-3) and the 5th (of s-1) miss two beats.
        func isSilent(_ number: Int, _ second: Int64) -> Bool {
            [3, 5].contains(number) && (160...180).contains(second)
        }
        let own = (
            at: Int64(50),
            kind: EventKind.servicePolicySet(try ServiceName("s-3"), MeshPolicy(ttlMilliseconds: 60_000))
        )
        try withFleet(8, seconds: 400, isSilent, recorded: [own]) { source in
            let everybody = try run(source, ttl: 15, 400)
            #expect(everybody.services.map(\.service.description) == ["s-1"])
            let one = try PolicySimulation.run(
                source,
                since: .sample(0),
                until: .sample(400),
                recordedTTL: .seconds(30),
                supposed: .init(overrides: [try ServiceName("s-3"): MeshPolicy(ttlMilliseconds: 15_000)])
            )
            #expect(one.services.map(\.service.description) == ["s-3"] && one.supposed.falseExpiries == 1)
            let late = try PolicySimulation.run(
                source,
                since: .sample(150),
                until: .sample(400),
                recordedTTL: .seconds(30),
                supposed: .init(policy: HealthPolicy(ttl: .seconds(15), deregisterAfter: .seconds(600)))
            )
            #expect(late.supposed == everybody.supposed, "where the time begins makes no difference to what is in it")
        }
    }

    @Test("an instance that registers anew as the same is the same: its beats go on counting")
    func registeredAnew() throws {
        let again = (at: Int64(100), kind: EventKind.instanceRegistered(try instance(2), health: .healthy))
        func isSilent(_ number: Int, _ second: Int64) -> Bool { false }
        try withFleet(8, seconds: 300, isSilent, recorded: [again]) { source in
            let result = try run(source, ttl: 30, 300)
            #expect(result.supposed == result.recorded && result.supposed.expiries == 0)
        }
    }

    @Test("when most fall silent at once the guard trips, and nobody is taken for dead")
    func guardTrips() throws {
        func isSilent(_ number: Int, _ second: Int64) -> Bool { number <= 30 && (100...150).contains(second) }
        try withFleet(40, seconds: 300, isSilent) { source in
            let result = try run(source, ttl: 30, 300)
            #expect(result.supposedGuardTrips == 1)
            #expect(result.supposed.expiries < 15)
        }
    }

    @Test("without heartbeats there is no answer")
    func noHeartbeats() throws {
        func isSilent(_ number: Int, _ second: Int64) -> Bool { true }
        try withFleet(1, seconds: 2, isSilent) { source in
            #expect(throws: ReplayError.self) { _ = try run(source, ttl: 15, 2) }
        }
    }
}

import RegistryModel
import TestSupport
import Testing

@testable import Registry

@Suite("Leases")
struct LeaseTableTests {
    private static let epoch = Epoch(rawValue: 0xE)
    private static let policy = HealthPolicy(ttl: .seconds(30), deregisterAfter: .seconds(600))
    private let table = LeaseTable(defaults: policy, epoch: epoch, now: MonotonicTime(rawValue: 0))

    private func time(_ seconds: Double) -> MonotonicTime {
        MonotonicTime(rawValue: Int64(seconds * 1_000_000_000))
    }

    private func state(
        _ handle: UInt64,
        _ health: Health = .healthy,
        _ cause: TransitionCause = .reported
    ) -> InstanceState {
        InstanceState(
            handle: SequenceNumber(handle),
            health: health,
            cause: cause,
            since: .sample(0),
            registeredAt: .sample(0),
            modified: SequenceNumber(handle)
        )
    }

    private func put(
        _ id: String,
        _ handle: UInt64 = 1,
        _ lease: Instance.Lease = .inherited,
        at seconds: Double = 0
    ) throws {
        table.apply([.put(try sampleKey("a", id), state(handle), lease)], now: time(seconds))
    }

    private func due(at seconds: Double) -> [String] {
        table.takeDue(now: time(seconds)).map { "\($0.key.id) \($0.verdict)" }.sorted()
    }

    @Test("silence for a whole ttl is reported once, within a tick, never early")
    func overdue() throws {
        try put("b")
        #expect(due(at: 29.99) == [])
        #expect(due(at: 30.1) == ["b overdue"])
        #expect(due(at: 60) == [])
    }

    @Test("a beat in between saves it")
    func beat() throws {
        try put("b")
        #expect(
            table.beat(try sampleKey("a", "b"), reported: nil, ifMatch: nil, now: time(20)) == .alive(SequenceNumber(1))
        )
        #expect(due(at: 49.9) == [])
        #expect(table.silence(of: try sampleKey("a", "b"), now: time(49)) == .seconds(29))
        #expect(due(at: 50.1) == ["b overdue"])
    }

    @Test("a beat of nobody, of an older incarnation or of another epoch")
    func strangers() throws {
        try put("b", 4)
        let key = try sampleKey("a", "b")
        #expect(table.beat(try sampleKey("a", "c"), reported: nil, ifMatch: nil, now: time(1)) == .unknown)
        let old = IncarnationTag(epoch: Self.epoch, handle: SequenceNumber(3))
        let foreign = IncarnationTag(epoch: Epoch(rawValue: 1), handle: SequenceNumber(4))
        #expect(table.beat(key, reported: nil, ifMatch: old, now: time(20)) == .superseded)
        #expect(table.beat(key, reported: nil, ifMatch: foreign, now: time(20)) == .superseded)
        #expect(table.silence(of: key, now: time(21)) == .seconds(21))
        let tag = IncarnationTag(epoch: Self.epoch, handle: SequenceNumber(4))
        #expect(table.beat(key, reported: .degraded, ifMatch: tag, now: time(20)) == .mustReport(SequenceNumber(4)))
    }

    @Test("an unhealthy one expires after deregister-after, counted from when it became so")
    func expiry() throws {
        try put("b")
        #expect(due(at: 30.1) == ["b overdue"])
        table.apply([.health(try sampleKey("a", "b"), state(1, .unhealthy, .heartbeatMissed))], now: time(30.1))
        // The wheel turns in 102 s: it looks in between and finds nothing.
        for seconds in stride(from: 31.0, through: 630, by: 1) { #expect(due(at: seconds) == []) }
        #expect(due(at: 630.3) == ["b expired"])
    }

    @Test("a ttl of its own, else the service's, else the registry's")
    func terms() throws {
        let name = try ServiceName("a")
        try put("inherits")
        try put("own", 2, .ttl(milliseconds: 90_000))
        try put("forever", 3, .permanent)
        table.apply([.policy(name, MeshPolicy(ttlMilliseconds: 5_000))], now: time(1))
        #expect(due(at: 5.2) == ["inherits overdue"])
        #expect(table.policy(of: name, terms: .inherited)?.ttl == .seconds(5))
        #expect(table.policy(of: name, terms: .permanent) == nil)
        #expect(due(at: 90.2) == ["own overdue"])
        table.apply([.policy(name, nil)], now: time(91))
        #expect(table.policy(of: name, terms: .inherited)?.ttl == .seconds(30))
        #expect(table.silence(of: try sampleKey("a", "forever"), now: time(1)) == nil)
    }

    @Test("a policy that changes while a verdict waits does not make two of it")
    func policyMeanwhile() throws {
        try put("b")
        #expect(due(at: 30.1) == ["b overdue"])
        table.apply([.policy(try ServiceName("a"), MeshPolicy(ttlMilliseconds: 20_000))], now: time(30.1))
        // The first verdict comes to nothing.
        table.reschedule(try sampleKey("a", "b"), after: .seconds(1), now: time(30.1))
        #expect(due(at: 32) == ["b overdue"])
        #expect(due(at: 40) == [])
    }

    @Test("a slot's next tenant is not taken for the last")
    func slots() throws {
        try put("b")
        table.apply([.remove(try sampleKey("a", "b"))], now: time(1))
        try put("c", 2, at: 20)
        #expect(due(at: 31) == [])
        #expect(due(at: 50.1) == ["c overdue"])
        #expect(table.counts.leases == 1)
    }

    @Test("what was held back is looked at again; what a beat saved is no longer due")
    func reschedule() throws {
        let key = try sampleKey("a", "b")
        try put("b")
        #expect(due(at: 30.1) == ["b overdue"])
        #expect(table.isStillDue(key, SequenceNumber(1), now: time(30.1)))
        #expect(!table.isStillDue(key, SequenceNumber(2), now: time(30.1)))
        table.reschedule(key, after: .seconds(1), now: time(30.1))
        table.reschedule(key, after: .seconds(1), now: time(30.1))
        #expect(due(at: 31.0) == [])
        #expect(due(at: 31.2) == ["b overdue"])
        _ = table.beat(key, reported: nil, ifMatch: nil, now: time(31.3))
        #expect(!table.isStillDue(key, SequenceNumber(1), now: time(31.3)))
    }

    @Test("time during which the registry stood still does not count")
    func stall() throws {
        try put("b")
        table.extendAll(by: .seconds(100))
        #expect(due(at: 129.9) == [])
        #expect(due(at: 130.1) == ["b overdue"])
    }

    @Test("what was there before a start is taken up with the time that counts")
    func load() throws {
        let key = try sampleKey("a", "b")
        table.load(key, state(1), .inherited, silentFor: .seconds(12), unhealthyFor: .zero, now: time(0))
        #expect(due(at: 17.9) == [])
        #expect(due(at: 18.1) == ["b overdue"])
        let ill = try sampleKey("a", "c")
        table.load(
            ill,
            state(2, .unhealthy, .heartbeatMissed),
            .inherited,
            silentFor: .seconds(620),
            unhealthyFor: .seconds(590),
            now: time(20)
        )
        #expect(due(at: 29.9) == [])
        #expect(due(at: 30.1) == ["c expired"])
    }

    @Test("the guard is shown who beats, who is silent, who is overdue")
    func observation() throws {
        for index in 0..<4 { try put("i\(index)", UInt64(index + 1)) }
        _ = table.beat(try sampleKey("a", "i0"), reported: nil, ifMatch: nil, now: time(25))
        _ = table.beat(try sampleKey("a", "i1"), reported: nil, ifMatch: nil, now: time(10))
        try put("forever", 9, .permanent)
        let seen = table.observe(now: time(31))
        #expect(seen == .init(leased: 4, beating: 2, silent: 3, overdue: 2))
        table.apply([.health(try sampleKey("a", "i2"), state(3, .unhealthy, .heartbeatMissed))], now: time(31))
        #expect(table.observe(now: time(32)) == .init(leased: 4, beating: 2, silent: 3, overdue: 1))
        #expect(table.observe(now: time(62)).leased == 3)
    }
}

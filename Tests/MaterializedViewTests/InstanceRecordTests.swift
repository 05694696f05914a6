import RegistryModel
import TestSupport
import Testing

@testable import MaterializedView

@Suite("Rows of instances")
struct InstanceRecordTests {
    @Test("an instance and its state are read back as they were written")
    func roundTrip() throws {
        let instance = try fullInstance()
        let state = sampleState(.degraded, .overdueProtected, detail: "slow: \"disk\"")
        try InstanceRecord.encode(instance, state).withUnsafeBytes { bytes in
            let record = try InstanceRecord(bytes)
            #expect(try record.instance(instance.key) == instance)
            #expect(try record.state() == state)
            #expect(record.lease == .ttl(milliseconds: 12_000))
        }
    }

    @Test("leases", arguments: [Instance.Lease.inherited, .ttl(milliseconds: 86_400_000), .permanent])
    func leases(lease: Instance.Lease) throws {
        let instance = try sampleInstance("a", "b") { $0.lease = lease }
        try InstanceRecord.encode(instance, sampleState()).withUnsafeBytes { bytes in
            let record = try InstanceRecord(bytes)
            #expect(record.lease == lease)
            #expect(try record.instance(instance.key).lease == lease)
        }
    }

    @Test("every health and cause survives", arguments: Health.allCases, TransitionCause.allCases)
    func states(health: Health, cause: TransitionCause) throws {
        let instance = try sampleInstance("a", "b")
        try InstanceRecord.encode(instance, sampleState(health, cause)).withUnsafeBytes { bytes in
            let record = try InstanceRecord(bytes)
            #expect(try record.state() == sampleState(health, cause))
            #expect(record.healthByte == health.rawValue)
        }
    }

    @Test("another state replaces the old one and nothing else")
    func replacing() throws {
        let instance = try fullInstance()
        let after = sampleState(handle: 8, .unhealthy, .heartbeatMissed, detail: "gone")
        let changed = try InstanceRecord.encode(instance, sampleState()).withUnsafeBytes { bytes in
            try InstanceRecord(bytes).replacing(after)
        }
        #expect(changed == InstanceRecord.encode(instance, after))
    }

    @Test("the fragment is the JSON that the API promises")
    func fragment() throws {
        let row = InstanceRecord.encode(try fullInstance(), sampleState(.degraded, .reported, detail: "slow"))
        let fragment = try row.withUnsafeBytes { [UInt8](try InstanceRecord($0).fragment) }
        let expected: [String: JSONValue] = [
            "id": .string("host-7000"), "ip": .string("10.1.3.4"), "port": .number(7_000), "appPort": .number(7_001),
            "tlsCert": .string("sha256:00"), "version": .string("1.2 \"beta\""), "zone": .string("east\\1"),
            "tags": .array(["gpu", "say \"hi\"", "comma, bracket]", "ünï \\"].map(JSONValue.string)),
            "metadata": .object([
                "version": .string("not this"), "x\"tags": .string("[\"gpu2\"]"), "zone": .string("west"),
            ]),
            "weight": .number(50), "protocol": .string("h2c"), "ttlMs": .number(12_000),
            "repeatable": .array([.string("POST /validate")]), "keyLineage": .string("abc"), "startId": .string("s1"),
            "handle": .number(7), "status": .string("degraded"), "cause": .string("reported"),
            "detail": .string("slow"), "since": .string("2026-01-01T00:00:05.000Z"),
            "registeredAt": .string("2026-01-01T00:00:01.000Z"), "sequence": .number(9),
        ]
        #expect(try JSONValue(parsing: fragment) == .object(expected))
    }

    @Test("what was not given is not in the fragment")
    func smallFragment() throws {
        let row = InstanceRecord.encode(try sampleInstance("a", "b"), sampleState())
        let fragment = try row.withUnsafeBytes { String(decoding: try InstanceRecord($0).fragment, as: UTF8.self) }
        #expect(
            fragment == #"{"id":"b","ip":"10.1.3.4","port":7000,"version":"1.0.0","handle":7,"status":"healthy","#
                + #""cause":"reported","since":"2026-01-01T00:00:05.000Z","registeredAt":"2026-01-01T00:00:01.000Z","#
                + #""sequence":9}"#
        )
    }

    @Test("a row cut short anywhere is suspect or still sound, never a crash")
    func truncated() throws {
        let key = try fullInstance().key
        let row = InstanceRecord.encode(try fullInstance(), sampleState(.degraded, .reported, detail: "slow"))
        for count in 0..<row.count {
            expectSoundOrSuspect(Array(row[..<count])) { try readEverything(of: $0, key) }
        }
        expectSuspect(row[..<70]) { try InstanceRecord($0).healthByte }
    }

    @Test("a row with any bytes changed is suspect or still sound, never a crash")
    func hostile() throws {
        let key = try fullInstance().key
        let row = InstanceRecord.encode(try fullInstance(), sampleState(.degraded, .reported, detail: "slow"))
        var random = SeededGenerator(seed: 0x5EED)
        for _ in 0..<1_000 {
            var changed = row
            for _ in 0..<Int.random(in: 1...4, using: &random) {
                // Most of what can go wrong is in the header.
                let end = Bool.random(using: &random) ? InstanceRecord.headerBytes : row.count
                changed[Int.random(in: 0..<end, using: &random)] = .random(in: 0...255, using: &random)
            }
            expectSoundOrSuspect(changed) { try readEverything(of: $0, key) }
        }
    }

    /// Whatever a reader of rows does, on bytes that may be anything.
    private func readEverything(of bytes: UnsafeRawBufferPointer, _ key: InstanceKey) throws {
        let record = try InstanceRecord(bytes)
        _ = record.fragment.count + record.head.count
        let filter = InstanceFilter(status: .routable, version: "1", tag: "comma, bracket]", zone: "z")
        _ = CompiledFilter(filter).matches(record)
        _ = CompiledFilter(InstanceFilter(status: .all, tag: "gpu")).matches(record)
        _ = record.lease
        _ = try record.state()
        _ = try record.instance(key)
    }
}

import RegistryModel
import TestSupport
import Testing

@testable import MaterializedView

@Suite("Rows of services and of the registry")
struct RowTests {
    private func sampleService() throws -> ServiceRecord {
        var service = ServiceRecord(name: try ServiceName("photo-validator"))
        service.policy = MeshPolicy(retries: 2, timeoutMilliseconds: 500, ttlMilliseconds: 9_000)
        for (index, health) in Health.allCases.enumerated() { service.counts[health] = UInt32(index + 1) }
        service.versions = [VersionCount(version: "", count: 3), VersionCount(version: "1.\"2\"", count: .max)]
        service.modified = SequenceNumber(.max)
        service.changedAt = .sample(-9)
        service.isExternal = true
        return service
    }

    @Test("a service is read back as it was written")
    func serviceRoundTrip() throws {
        let service = try sampleService()
        let read = try ServiceRow.encode(service).withUnsafeBytes { try ServiceRow.decode(service.name, $0) }
        #expect(read == service)
        let plain = ServiceRecord(name: service.name)
        let plainRead = try ServiceRow.encode(plain).withUnsafeBytes { try ServiceRow.decode(plain.name, $0) }
        #expect(plainRead == plain)
    }

    @Test("a service's row cut short anywhere is suspect")
    func truncatedService() throws {
        let service = try sampleService()
        let row = ServiceRow.encode(service)
        for count in 0..<row.count {
            expectSuspect(row[..<count]) { bytes in try ServiceRow.decode(service.name, bytes) }
        }
    }

    @Test("a service's row with any bytes changed never crashes")
    func hostileService() throws {
        let service = try sampleService()
        let row = ServiceRow.encode(service)
        var random = SeededGenerator(seed: 0x5EED)
        for _ in 0..<1_000 {
            var changed = row
            changed[Int.random(in: 0..<row.count, using: &random)] = .random(in: 0...255, using: &random)
            expectSoundOrSuspect(changed) { try ServiceRow.decode(service.name, $0) }
        }
    }

    @Test("what is known of the registry is read back as it was written", arguments: [true, false])
    func registryRoundTrip(isHeld: Bool) throws {
        let report = ProtectionReport(expected: 30, seen: 2, why: "28 of 30 would expire")
        let guarded = RegistryRecord(
            protection: .init(since: .sample(3), report: report, isHeld: isHeld),
            servicesForgotten: SequenceNumber(77)
        )
        for registry in [guarded, RegistryRecord()] {
            let row = ViewMeta.encode(registry)
            let read = try row.withUnsafeBytes { try ViewMeta.registry($0) }
            #expect(read == registry)
            for count in 0..<row.count {
                expectSuspect(row[..<count]) { bytes in try ViewMeta.registry(bytes) }
            }
        }
    }

    @Test("totals and identity are read back, and suspect when cut short")
    func metaRoundTrip() throws {
        var totals = ViewTotals()
        totals.services = 12
        totals.health[.draining] = 3
        let identity = ViewIdentity(
            schema: 1,
            registryID: sampleRegistry,
            epoch: sampleEpoch,
            applied: SequenceNumber(4)
        )
        let totalsRow = ViewMeta.encode(totals)
        let identityRow = ViewMeta.encode(identity)
        let totalsRead = try totalsRow.withUnsafeBytes { try ViewMeta.totals($0) }
        let identityRead = try identityRow.withUnsafeBytes { try ViewMeta.identity($0) }
        #expect(totalsRead == totals)
        #expect(identityRead == identity)
        for count in 0..<totalsRow.count {
            expectSuspect(totalsRow[..<count]) { bytes in try ViewMeta.totals(bytes) }
        }
        for count in 0..<identityRow.count {
            expectSuspect(identityRow[..<count]) { bytes in try ViewMeta.identity(bytes) }
        }
    }
}

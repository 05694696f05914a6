import Glibc
import MaterializedView
import OpenSSLCrypto
import RegistryModel
import Replay
import TestSupport
import Testing

/// The vectors of `fixtures/state-digest` are for every later release, and for programs that are not this one.
///
/// `HMS_WRITE_FIXTURES=1` makes them anew: only ever before the first release.
@Suite("The state digest")
struct StateDigestTests {
    private var events: [Event] {
        var billing = Sample.instance("billing", "b-1")
        billing.appPort = 7_000
        billing.version = "2.3.1"
        billing.zone = "a"
        billing.tags = ["blue", "größe"]
        billing.metadata = [MetadataEntry(key: "team", value: "payments")]
        billing.weight = 50
        billing.applicationProtocol = "http1"
        billing.lease = .ttl(milliseconds: 15_000)
        billing.repeatable = ["POST /validate"]
        billing.keyLineage = "ab12"
        billing.tlsCert = "sha256:cd34"
        billing.startID = "s-1"
        var partner = Sample.instance("partner", "external", host: "api.example.org", port: 443)
        partner.externalURL = "https://api.example.org/health"
        partner.lease = .permanent
        let ledger = Sample.instance("ledger", "l-1", host: "fe80::1")
        let change = HealthChange(
            key: billing.key,
            handle: SequenceNumber(2),
            from: .starting,
            to: .degraded,
            cause: .reported,
            detail: "these words are no part of it"
        )
        let certificate = CertificateRecord(
            serial: "4a01",
            spiffeID: "spiffe://gov.local/svc/billing",
            keyHash: Array(0..<32),
            lineage: Array(32..<64),
            notAfter: Sample.time.advanced(by: .seconds(86_400))
        )
        let revocations = [
            Revocation(subject: .service(ledger.key.service), before: Sample.time, until: Sample.time),
            Revocation(subject: .serial("4a01"), before: Sample.time, until: certificate.notAfter),
        ]
        let report = ProtectionReport(expected: 30, seen: 4, why: "26 of 30 would expire within one ttl")
        let kinds: [EventKind] = [
            .registryStarted(version: "0.1.0", clean: false), .instanceRegistered(billing, health: .starting),
            .healthChanged(change), .externalServiceAdded(partner), .instanceRegistered(ledger, health: .healthy),
            .servicePolicySet(billing.key.service, MeshPolicy(retries: 2, timeoutMilliseconds: 800)),
            .certificateIssued(certificate), .certificateRevoked(revocations[0]),
            .certificateRevoked(revocations[1]), .protectionStarted(report),
        ]
        return kinds.enumerated().map { index, kind in
            Event(
                sequence: SequenceNumber(UInt64(index) + 1),
                time: Sample.time.advanced(by: .seconds(index)),
                actor: nil,
                kind: kind
            )
        }
    }

    private func fold(_ events: [Event]) throws -> InMemoryRecordStore {
        var store = try InMemoryRecordStore()
        var changes: [ViewChange] = []
        for event in events { Projection.apply(event, to: &store, changes: &changes) }
        return store
    }

    @Test("has the values of the published vectors")
    func vectors() throws {
        var lines = ["# name of a service, its slot"]
        for name in ["a", "billing", "identity-check", "ledger", "partner", "photo-validator"] {
            lines.append("slot \(name) \(HashSlot(try ServiceName(name)))")
        }
        lines.append("# events folded, digest of the state")
        for count in [0, 2, 3, 4, 6, 7, 9, 10] {
            lines.append("digest \(count) \(try fold(Array(events[..<count])).stateDigest())")
        }
        lines.append("# slot, its records after all ten events, each with its length")
        let store = try fold(events)
        for slot in HashSlot.all {
            for record in store.records(of: slot) {
                lines.append("record \(slot) \(record.bytes.map { hex($0) }.joined())")
            }
        }
        let text = lines.joined(separator: "\n") + "\n"
        let path = packageDirectory + "/fixtures/state-digest/v1.txt"
        if getenv("HMS_WRITE_FIXTURES") != nil { try writeFile(path, Array(text.utf8)) }
        #expect(String(decoding: try readFile(path), as: UTF8.self) == text)
    }

    @Test("a service's record is as the page describes, byte for byte")
    func serviceRecord() throws {
        var service = ServiceRecord(name: try ServiceName("ab"))
        service.policy = MeshPolicy(retries: 2)
        var records = CanonicalRecords()
        records.append(service)
        #expect(
            records.bytes
                == [22, 0, 0, 0, 1, 2, 0, 0, 0, 0x61, 0x62, 0, 1, 1, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]
        )
    }

    @Test(
        "the view and a replay arrive at the same digest, whatever happens, kept or computed anew",
        arguments: [1, 2, 3, 4] as [UInt64]
    )
    func viewAndReplay(seed: UInt64) throws {
        var random = SeededGenerator(seed: seed)
        try withTemporaryDirectory(in: memoryDirectory) { directory in
            let view = try RegistryView.open(directory: directory + "/view", access: .readWrite)
            try view.write { $0.bind(registryID: RegistryID(rawValue: 1), epoch: Epoch(rawValue: 2), applied: .none) }
            var kept = try ViewDigest()
            var store = try InMemoryRecordStore()
            var sequence: UInt64 = 0
            for _ in 0..<25 {
                var events: [Event] = []
                for _ in 0..<1 + random.below(20) {
                    sequence += 1
                    events.append(next(sequence, &random, store))
                }
                var changes: [ViewChange] = []
                try view.write { (lmdb: inout LMDBRecordStore) in
                    for event in events { try Projection.apply(event, to: &lmdb, changes: &changes) }
                    try lmdb.setApplied(SequenceNumber(sequence))
                }
                for event in events { Projection.apply(event, to: &store, changes: &changes) }
                let digest = try view.read { try kept.update($0) }
                var fresh = try ViewDigest()
                #expect(try view.read { try fresh.update($0) } == digest, "seed \(seed), \(sequence)")
                #expect(store.stateDigest() == digest, "seed \(seed), \(sequence)")
            }
        }
    }

    /// Any event; where it is about an instance, often one that is there.
    private func next(_ sequence: UInt64, _ random: inout SeededGenerator, _ store: InMemoryRecordStore) -> Event {
        var event = random.event(sequence)
        event.time = Sample.time.advanced(by: .seconds(Int64(sequence) * 3_600))
        // The view keeps what the door lets in: no control characters, no numbers out of range.
        switch event.kind {
        case .instanceRegistered(let asked, let health):
            var instance = Sample.instance(asked.key.service.description, asked.key.id.description)
            instance.weight = UInt32(random.below(100))
            event.kind = .instanceRegistered(instance, health: health)
        case .externalServiceAdded(var instance):
            instance.externalURL = "https://api.example.org/\(random.below(4))"
            event.kind = .externalServiceAdded(instance)
        case .servicePolicySet(let name, _):
            event.kind = .servicePolicySet(name, MeshPolicy(retries: UInt32(random.below(11))))
        case .healthChanged(var change):
            guard let state = store.state(of: change.key) else { break }
            change.handle = state.handle
            event.kind = .healthChanged(change)
        default: break
        }
        return event
    }

    private func hex(_ byte: UInt8) -> String {
        String(byte >> 4, radix: 16) + String(byte & 15, radix: 16)
    }
}

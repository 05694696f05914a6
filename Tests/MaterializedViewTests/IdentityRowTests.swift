import RegistryModel
import TestSupport
import Testing

@testable import MaterializedView

@Suite("Identities in the view")
struct IdentityRowTests {
    private let certificate = CertificateRecord(
        serial: "5f3a91c2",
        spiffeID: "spiffe://gov.local/svc/billing",
        keyHash: Array(repeating: 7, count: 32),
        lineage: Array(repeating: 9, count: 32),
        notAfter: Sample.time
    )

    @Test("rows come back as they were, and cut short they are suspect")
    func rows() throws {
        let key = IdentityRow.key(certificate: certificate.serial)
        let row = IdentityRow.encode(certificate)
        func read(_ bytes: [UInt8]) throws -> CertificateRecord {
            try key.withUnsafeBytes { key in try bytes.withUnsafeBytes { try IdentityRow.certificate(key, $0) } }
        }
        #expect(try read(row) == certificate)
        for length in 0..<row.count {
            #expect(throws: ViewError(.suspect, "")) { try read(Array(row[..<length])) }
        }
        for subject in [Revocation.Subject.serial("5f"), .service(try ServiceName("billing"))] {
            let revocation = Revocation(
                subject: subject,
                before: Sample.time,
                until: Sample.time.advanced(by: .seconds(1))
            )
            let read = try IdentityRow.key(subject).withUnsafeBytes { key in
                try IdentityRow.encode(revocation).withUnsafeBytes { try IdentityRow.revocation(key, $0) }
            }
            #expect(read == revocation)
        }
    }

    @Test("random events leave in LMDB what they leave in memory, lapsed ones forgotten a week after their end")
    func likeInMemory() throws {
        try withTemporaryDirectory { directory in
            let view = try RegistryView.open(directory: directory + "/view", access: .readWrite)
            try view.write { $0.bind(registryID: RegistryID(rawValue: 1), epoch: Epoch(rawValue: 2), applied: .none) }
            var random = SeededGenerator(usual: 21)
            var memory = MemoryRecordStore()
            for batch in 0..<40 {
                let events = (0..<8).map { index -> Event in
                    let kind = random.oneIn(4) ? 10 : 16 + random.below(5)
                    let sequence = UInt64(batch * 8 + index + 1)
                    return Event(
                        sequence: SequenceNumber(sequence),
                        time: random.timestamp(),
                        actor: nil,
                        kind: random.eventKind(kind)
                    )
                }
                var changes: [ViewChange] = []
                for event in events { Projection.apply(event, to: &memory, changes: &changes) }
                try view.write { store in
                    for event in events { try Projection.apply(event, to: &store, changes: &changes) }
                }
                try view.read { snapshot in
                    let certificates = memory.certificates.values.sorted { $0.serial < $1.serial }
                    #expect(try snapshot.certificates() == certificates, "seed \(random.seed)")
                    let revocations = try snapshot.revocations()
                    #expect(revocations.count == memory.revocations.count)
                    for revocation in revocations { #expect(memory.revocations[revocation.subject] == revocation) }
                }
            }
        }
    }
}

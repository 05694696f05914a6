import EventLog
import Glibc
import OpenSSLCrypto
import RegistryModel
import Replay
import TestSupport
import Testing

@Suite("A change of the key that signs")
struct KeyRotationTests {
    private let first = [UInt8](repeating: 1, count: 32)
    private let second = [UInt8](repeating: 2, count: 32)
    private let thief = [UInt8](repeating: 9, count: 32)

    /// What happens in a log whose every signature is a test's own.
    private enum Step {
        case checkpoint([UInt8])
        case rotation(KeyRotationRecord)
    }

    private let identity = LogIdentity(registryID: RegistryID(rawValue: 5), epoch: Epoch(rawValue: 6))
    private var origin: String { Checkpoint.origin(trustDomain: "gov.local", identity) }

    private func key(_ seed: [UInt8]) throws -> NoteKey {
        try NoteKey(name: origin, key: try SigningKey(seed: seed).publicKey)
    }

    private func rotation(_ old: [UInt8], _ new: [UInt8]) throws -> KeyRotationRecord {
        try KeyRotationRecord(origin: origin, from: try SigningKey(seed: old), to: try SigningKey(seed: new))
    }

    private func verify(_ steps: [Step], trusted: [[UInt8]], note: [UInt8]? = nil) throws -> LogVerification {
        try withTemporaryDirectory(in: memoryDirectory) { directory in
            let log = try SegmentedLog.open(
                directory: directory,
                identityIfNew: identity,
                knownDurable: .none,
                cleanStop: nil
            ).log
            var store = try InMemoryRecordStore()
            func append(_ kind: EventKind) throws {
                let event = Event(
                    sequence: log.lastSequence.next,
                    time: .sample(Int64(log.lastSequence.rawValue)),
                    actor: nil,
                    kind: kind
                )
                var changes: [ViewChange] = []
                Projection.apply(event, to: &store, changes: &changes)
                _ = try log.append([EncodedEvent(event)])
            }
            try append(.registryStarted(version: "1", clean: true))
            var notes: [String] = []
            for (number, step) in steps.enumerated() {
                try append(.instanceRegistered(try sampleInstance("billing", "b-\(number)"), health: .healthy))
                switch step {
                case .rotation(let record): try append(.checkpointKeyRotated(record))
                case .checkpoint(let seed):
                    let checkpoint = Checkpoint(origin: origin, size: log.lastSequence, root: log.merkleRoot)
                    let signing = try SigningKey(seed: seed)
                    let signed = try checkpoint.signed(by: signing)
                    if seed == note {
                        notes = [directory + "/kept.note"]
                        try writeFile(notes[0], Array(signed.rendered.utf8))
                    }
                    try append(
                        .checkpointed(
                            CheckpointRecord(
                                size: checkpoint.size,
                                root: checkpoint.root.bytes,
                                digestVersion: CanonicalRecord.version,
                                stateDigest: store.stateDigest().bytes,
                                origin: origin,
                                publicKey: signing.publicKey.bytes,
                                signature: signed.signatures.first?.bytes ?? []
                            )
                        )
                    )
                }
            }
            return try LogVerification.run(
                try AuditSource(logDirectory: directory),
                notes: notes,
                trusted: try trusted.map { try key($0) }
            )
        }
    }

    @Test("keys and notes from before and after the change anchor the whole log")
    func chain() throws {
        let steps: [Step] = [.checkpoint(first), .rotation(try rotation(first, second)), .checkpoint(second)]
        for trusted in [[first], [second], [first, second]] {
            let result = try verify(steps, trusted: trusted)
            #expect(result.problems == [] && result.verdict == .intact, "\(trusted.map { $0[0] })")
        }
        #expect(try verify(steps, trusted: [], note: first).verdict == .intact)
        #expect(try verify(steps, trusted: [second], note: first).verdict == .intact)
        #expect(try verify(steps, trusted: []).keys == [try key(first), try key(second)])
        // The copy of an auditor who knows of a change that came later.
        #expect(try verify([.checkpoint(first)], trusted: [first, second]).verdict == .intact)
    }

    @Test("another key without a change on record, or by a change that the old key did not sign, is damage")
    func unsigned() throws {
        #expect(try verify([.checkpoint(first), .checkpoint(thief)], trusted: []).verdict == .damaged)
        var forged = try rotation(thief, thief)
        forged.oldKey = try key(first).key.bytes
        #expect(
            try verify([.checkpoint(first), .rotation(forged), .checkpoint(thief)], trusted: []).verdict == .damaged
        )
        // For another log, or of keys that do not sign here.
        var elsewhere = try rotation(first, second)
        elsewhere.origin += "0"
        #expect(try verify([.checkpoint(first), .rotation(elsewhere)], trusted: []).verdict == .damaged)
        let foreign = try rotation(thief, second)
        #expect(try verify([.checkpoint(first), .rotation(foreign)], trusted: []).verdict == .damaged)
    }

    @Test("a key that was given up signs no more")
    func givenUp() throws {
        let steps: [Step] = [.checkpoint(first), .rotation(try rotation(first, second)), .checkpoint(first)]
        #expect(try verify(steps, trusted: [first]).verdict == .damaged)
    }

    @Test("a thief of the old key who names a successor of his own is found out by the key that was kept")
    func stolen() throws {
        let steps: [Step] = [.checkpoint(first), .rotation(try rotation(first, thief)), .checkpoint(thief)]
        #expect(try verify(steps, trusted: [second]).verdict == .damaged)
        #expect(try verify(steps, trusted: [first, second]).verdict == .damaged)
        // With the old key alone nobody can know: as the documentation says.
        #expect(try verify(steps, trusted: [first]).verdict == .intact)
    }

    @Test("a log that a thief signed anew from its beginning is of no key that was kept")
    func signedAnew() throws {
        #expect(try verify([.checkpoint(thief), .checkpoint(thief)], trusted: [first]).verdict == .damaged)
        #expect(try verify([.checkpoint(thief), .checkpoint(thief)], trusted: []).verdict == .consistent)
    }
}

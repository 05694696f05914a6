import EventLog
import Glibc
import MaterializedView
import OpenSSLCrypto
import RegistryModel
import Replay
import TestSupport
import Testing

/// A history of the first release, with a clock step, a snapshot, a restore and heartbeats in it. Whatever comes, it must
/// be readable, verify, and give the same states.
///
/// `HMS_WRITE_FIXTURES=1` makes it anew: only ever before the first release.
@Suite("The golden history")
struct GoldenHistoryTests {
    private let directory = packageDirectory + "/fixtures/history"
    private let identity = LogIdentity(
        registryID: RegistryID(rawValue: 0x7F3A_91C2_0000_0001),
        epoch: Epoch(rawValue: 0xA)
    )
    private let second = Epoch(rawValue: 0xB)

    @Test("verifies with what was kept of it, before the restore and after")
    func verifies() throws {
        if getenv("HMS_WRITE_FIXTURES") != nil { try write() }
        let result = try LogVerification.run(
            try AuditSource(dataDirectory: directory),
            notes: [directory + "/kept-a.note", directory + "/kept-b.note"],
            trusted: [try key("a"), try key("b")]
        )
        #expect(result.problems == [])
        #expect(result.verdict == .intact)
        #expect(result.checkpoints == 3 && result.digests == 3)
        #expect(result.heartbeats.read == 6)
        #expect(result.restores.map(\.record.sequence) == [SequenceNumber(12)])
        #expect(result.summary.segments.map(\.identity.epoch) == [identity.epoch, identity.epoch, second])
    }

    @Test("gives the states that were written down")
    func states() throws {
        let text = String(decoding: try readFile(directory + "/states.txt"), as: UTF8.self)
        #expect(try states(try AuditSource(dataDirectory: directory)) == text)
        let snapshot = try SnapshotArchive.verify(directory + "/snapshot.tar.zst")
        #expect(text.contains("\(snapshot.sequence) \(snapshot.stateDigest)"))
        #expect(try LogVerification.run(try AuditSource(snapshot: directory + "/snapshot.tar.zst")).problems == [])
    }

    /// A line a sequence: its state's digest, and every instance with its health.
    private func states(_ source: AuditSource) throws -> String {
        let last = try source.logReader().lastSequence.rawValue
        return try (1...last).map { sequence in
            let state = try StateReconstruction.at(
                try Moment.sequence(SequenceNumber(sequence)).resolve(in: source),
                in: source
            )
            let instances = state.store.serviceNames.flatMap { state.store.rows(of: $0) }
                .map { "\($0.instance.key)=\($0.state.health)" }
            return ([String(sequence), "\(state.store.stateDigest())"] + instances).joined(separator: " ") + "\n"
        }.joined()
    }

    private func key(_ name: String) throws -> NoteKey {
        try NoteKey(vkey: try SmallFile.read(directory + "/kept-\(name).vkey").dropLast())
    }

    // MARK: Writing it

    private func instance(_ number: Int) throws -> Instance {
        try sampleInstance(number.isMultiple(of: 2) ? "ledger" : "billing", "b-\(number)")
    }

    private func write() throws {
        try withTemporaryDirectory { work in
            let signer = try SigningKey(seed: [UInt8](repeating: 1, count: 32))
            _ = try runShell("rm -rf \(directory); mkdir -p \(directory) \(work)/data/log \(work)/data/view")
            let log = try SegmentedLog.open(
                directory: work + "/data/log",
                identityIfNew: identity,
                knownDurable: .none,
                cleanStop: nil
            ).log
            var life = try Life(log: log, origin: Checkpoint.origin(trustDomain: "gov.local", identity), key: signer)
            try life.append(0, .registryStarted(version: "0.1.0", clean: true))
            for number in 1...4 {
                try life.append(Int64(number) * 10, .instanceRegistered(try instance(number), health: .healthy))
            }
            try life.checkpoint(60, note: directory + "/kept-a.note", key: directory + "/kept-a.vkey")
            try life.append(3_600, .clockStepped(from: .sample(3_600), to: .sample(100)))
            try log.roll()
            try life.append(110, .instanceDraining(try instance(2).key, handle: SequenceNumber(3)))
            let change = HealthChange(
                key: try instance(3).key,
                handle: SequenceNumber(4),
                from: .healthy,
                to: .unhealthy,
                cause: .heartbeatMissed
            )
            try life.append(140, .healthChanged(change))
            try life.append(150, .servicePolicySet(try ServiceName("billing"), MeshPolicy(retries: 2)))
            try life.append(160, .instanceRegistered(try instance(5), health: .starting))
            try life.checkpoint(170, note: work + "/data/checkpoint.note", key: work + "/data/checkpoint.vkey")
            _ = try ViewRebuild.run(try AuditSource(logDirectory: work + "/data/log"), into: work + "/data/view/0")
            let view = try RegistryView.open(directory: work + "/data/view/0", access: .readOnly)
            let snapshot = directory + "/snapshot.tar.zst"
            _ = try SnapshotArchive.write(to: snapshot, view: view, dataDirectory: work + "/data")
            // Set aside by the restore.
            try life.append(
                200,
                .instanceDeregistered(try instance(1).key, handle: SequenceNumber(2), cause: .requested)
            )
            try log.closeCleanly()
            _ = try SnapshotRestore.run(
                snapshot,
                to: work + "/restored",
                epoch: second,
                actor: Actor(.uid(1_001)),
                now: .sample(300)
            )
            try goOn(work + "/restored")
            _ = try runShell("cp -r \(work)/restored/log \(work)/restored/beats \(directory)")
            let states = try states(try AuditSource(dataDirectory: directory))
            try writeFile(directory + "/states.txt", Array(states.utf8))
        }
    }

    /// The second epoch: a life of its own, under a key of its own.
    private func goOn(_ restored: String) throws {
        let identity = LogIdentity(registryID: identity.registryID, epoch: second)
        let log = try SegmentedLog.open(
            directory: restored + "/log",
            identityIfNew: identity,
            knownDurable: SequenceNumber(13),
            cleanStop: SequenceNumber(13)
        ).log
        var life = try Life(
            log: log,
            origin: Checkpoint.origin(trustDomain: "gov.local", identity),
            key: try SigningKey(seed: [UInt8](repeating: 2, count: 32))
        )
        try log.read(from: SequenceNumber(1)) { event, _ in
            life.fold(event)
            return true
        }
        let beats = try BeatLog.open(directory: restored + "/beats", identity: identity, cleanStop: true)
        for second in [310, 320, 330] as [Int64] {
            var packer = HeartbeatPacker()
            packer.append(SequenceNumber(2), at: .sample(second))
            packer.append(SequenceNumber(5), at: .sample(second))
            _ = try beats.append(
                packer.pack(following: log.lastSequence, now: .sample(second)),
                time: .sample(second)
            )
            if second == 320, let seal = try beats.seal() { try life.append(325, .beatsSealed(seal)) }
        }
        try beats.closeCleanly()
        try life.append(340, .instanceRegistered(try instance(6), health: .healthy))
        try life.checkpoint(350, note: directory + "/kept-b.note", key: directory + "/kept-b.vkey")
        try log.closeCleanly()
    }

    /// Appends events to a log, and signs it.
    private struct Life {
        let log: SegmentedLog
        let origin: String
        let key: SigningKey
        private var store: InMemoryRecordStore

        init(log: SegmentedLog, origin: String, key: SigningKey) throws {
            self.log = log
            self.origin = origin
            self.key = key
            store = try InMemoryRecordStore()
        }

        mutating func fold(_ event: Event) {
            var changes: [ViewChange] = []
            Projection.apply(event, to: &store, changes: &changes)
        }

        mutating func append(_ second: Int64, _ kind: EventKind) throws {
            let event = Event(
                sequence: log.lastSequence.next,
                time: .sample(second),
                actor: second.isMultiple(of: 20) ? Actor(.uid(1_000)) : nil,
                kind: kind
            )
            fold(event)
            _ = try log.append([EncodedEvent(event)])
        }

        mutating func checkpoint(_ second: Int64, note: String, key path: String) throws {
            let checkpoint = Checkpoint(origin: origin, size: log.lastSequence, root: log.merkleRoot)
            let signed = try checkpoint.signed(by: key)
            try SmallFile.publish(signed.rendered, as: note)
            try SmallFile.publish("\(try NoteKey(name: origin, key: key.publicKey))\n", as: path)
            let record = CheckpointRecord(
                size: checkpoint.size,
                root: checkpoint.root.bytes,
                digestVersion: CanonicalRecord.version,
                stateDigest: store.stateDigest().bytes,
                origin: origin,
                publicKey: key.publicKey.bytes,
                signature: signed.signatures[0].bytes
            )
            try append(second, .checkpointed(record))
        }
    }
}

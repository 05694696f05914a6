import EventLog
import OpenSSLCrypto
import Registry
import RegistryModel
import Replay
import TestSupport
import Testing

@Suite("Verification")
struct LogVerificationTests {
    private func verify(_ history: RecordedHistory, anchored: Bool = true) throws -> LogVerification {
        try LogVerification.run(
            try history.source(),
            notes: anchored ? [history.note] : [],
            trusted: anchored ? [try history.trusted()] : []
        )
    }

    @Test("an untouched log is intact with what was kept, and consistent without")
    func untouched() async throws {
        try await withTemporaryDirectory { directory in
            let history = try await RecordedHistory.record(in: directory)
            let anchored = try verify(history)
            #expect(anchored.problems == [])
            #expect(anchored.verdict == .intact)
            #expect(anchored.checkpoints == 4)
            #expect(anchored.digests == 4)
            #expect(anchored.summary.intactThrough == anchored.summary.last)
            #expect(anchored.keys.last?.key == (try history.trusted()).key)
            let alone = try verify(history, anchored: false)
            #expect(alone.verdict == .consistent)
            let byKey = try LogVerification.run(try history.source(), trusted: [try history.trusted()])
            #expect(byKey.verdict == .intact && byKey.anchorTime == nil)
            let logAlone = try LogVerification.run(
                try AuditSource(logDirectory: history.data + "/log"),
                notes: [history.note]
            )
            #expect(logAlone.verdict == .intact)
        }
    }

    @Test("without states the record is verified as well, but not what it adds up to")
    func withoutStates() async throws {
        try await withTemporaryDirectory { directory in
            let history = try await RecordedHistory.record(in: directory)
            let segment = LogReader.path(of: SequenceNumber(1), in: history.data + "/log")
            func verify() throws -> LogVerification {
                try LogVerification.run(try history.source(), notes: [history.note], comparesStates: false)
            }
            let sound = try verify()
            #expect(sound.verdict == .intact && sound.checkpoints == 4)
            #expect(sound.digests == 0 && !sound.comparesStates)
            #expect(sound.lastCheckpoint?.size == (try self.verify(history)).lastCheckpoint?.size)
            var bytes = try readFile(segment)
            bytes[bytes.count / 2] ^= 1
            try writeFile(segment, bytes)
            #expect(try verify().verdict == .damaged)
        }
    }

    @Test("a live directory is verified while it is written")
    func live() async throws {
        try await withTemporaryDirectory { directory in
            try await RecordedHistory.live(directory + "/data") { registry in
                for number in 1...20 {
                    try await RecordedHistory.register(number, registry)
                    if number == 10 { _ = try await registry.signCheckpoint() }
                    let result = try LogVerification.run(try AuditSource(dataDirectory: directory + "/data"))
                    #expect(result.problems == [], "\(number)")
                    #expect(result.summary.last.rawValue >= UInt64(number))
                }
            }
        }
    }

    @Test("every flipped bit is found, or changes nothing that is in the log", arguments: [1, 2] as [UInt64])
    func flippedBits(seed: UInt64) async throws {
        var random = SeededGenerator(usual: seed)
        try await withTemporaryDirectory { directory in
            let history = try await RecordedHistory.record(in: directory + "/good")
            let good = try verify(history)
            let segments = try segmentPaths(history)
            for round in 0..<120 {
                let path = random.pick(segments)
                let bytes = try readFile(path)
                let spoiled = random.flippingOneBit(of: bytes)
                try writeFile(path, spoiled)
                let result = try verify(history)
                try writeFile(path, bytes)
                let isTold = result.verdict == .damaged || result.summary.torn != nil
                // What decompresses to the same bytes holds the same events under the same root.
                let isSame = result.summary.root == good.summary.root && result.heartbeats.read == good.heartbeats.read
                #expect(isTold || isSame, "seed \(random.seed), round \(round), \(path)")
                if path.contains("/log/"), isTold {
                    #expect(result.summary.intactThrough <= good.summary.last, "seed \(random.seed), round \(round)")
                }
            }
        }
    }

    @Test("cut, repeated, swapped and spliced bytes are told, and nothing crashes it", arguments: [3, 4] as [UInt64])
    func rearranged(seed: UInt64) async throws {
        var random = SeededGenerator(usual: seed)
        try await withTemporaryDirectory { directory in
            let history = try await RecordedHistory.record(in: directory + "/good")
            let other = try await RecordedHistory.record(in: directory + "/other")
            let path = try segmentPaths(history)[0]
            let bytes = try readFile(path)
            let foreign = try readFile(try segmentPaths(other)[0])
            for round in 0..<60 {
                var spoiled = bytes
                let at = random.below(bytes.count - 64)
                let length = 1 + random.below(min(600, bytes.count - at - 1))
                switch round % 5 {
                case 0: spoiled.removeSubrange(at...)
                case 1: spoiled.removeSubrange(at..<at + length)
                case 2: spoiled.insert(contentsOf: bytes[at..<at + length], at: at)
                case 3:
                    let target = random.below(foreign.count - 64)
                    spoiled.replaceSubrange(
                        at..<at + length,
                        with: foreign[target..<min(foreign.count, target + length)]
                    )
                default:
                    let part = Array(spoiled[at..<at + length])
                    spoiled.removeSubrange(at..<at + length)
                    spoiled.insert(contentsOf: part, at: random.below(spoiled.count))
                }
                guard spoiled != bytes else { continue }
                try writeFile(path, spoiled)
                let result = try verify(history)
                #expect(result.verdict == .damaged, "seed \(random.seed), round \(round)")
            }
            try writeFile(path, bytes)
            #expect(try verify(history).verdict == .intact)
        }
    }

    @Test("damage names segment, offset and what is intact before it, and the rest is listed too")
    func placeOfDamage() async throws {
        try await withTemporaryDirectory { directory in
            let history = try await RecordedHistory.record(in: directory)
            let path = try segmentPaths(history)[0]
            var bytes = try readFile(path)
            let good = try verify(history)
            // In the middle of two payloads, far apart.
            bytes[bytes.count / 3] ^= 0xFF
            bytes[bytes.count * 2 / 3] ^= 0xFF
            try writeFile(path, bytes)
            let result = try verify(history)
            #expect(result.verdict == .damaged)
            #expect(result.problems.count >= 2)
            let first = try #require(result.problems.first)
            #expect(first.path == path)
            #expect(try #require(first.offset) <= UInt64(bytes.count / 3))
            #expect(first.sequence == result.summary.intactThrough.next)
            #expect(result.summary.intactThrough < good.summary.last)
            #expect(result.summary.last == good.summary.last)
        }
    }

    @Test("a log cut at a batch's end is damaged by the registry's own note, and by one that was kept")
    func cutEnd() async throws {
        try await withTemporaryDirectory { directory in
            let history = try await RecordedHistory.record(in: directory)
            let cut = try rewritten(history, to: directory + "/cut", keeping: 10)
            #expect(cut.verdict == .damaged)
            #expect(cut.problems.contains { $0.what.contains("were cut off") }, "\(cut.problems)")
        }
    }

    @Test("a log made anew with the registry's own key is consistent, and only what was kept elsewhere tells")
    func forged() async throws {
        try await withTemporaryDirectory { directory in
            let history = try await RecordedHistory.record(in: directory)
            // Whoever holds the key starts over with another past, under the same identity.
            let forgery = directory + "/forgery"
            let key = try SigningKeyFile.load(history.data + "/keys/checkpoint.pem")
            let identity = try #require(try history.source().logReader().identity)
            try forge(forgery, identity, key)
            let alone = try LogVerification.run(
                try AuditSource(logDirectory: forgery),
                trusted: [try history.trusted()]
            )
            #expect(alone.problems == [])
            #expect(alone.verdict == .intact && alone.anchorTime == nil)
            let withoutKey = try LogVerification.run(try AuditSource(logDirectory: forgery))
            #expect(withoutKey.verdict == .consistent)
            let anchored = try LogVerification.run(try AuditSource(logDirectory: forgery), notes: [history.note])
            #expect(anchored.verdict == .damaged)
            #expect(anchored.problems.contains { $0.what.contains("history was rewritten") }, "\(anchored.problems)")
            // Without the registry's key not even that: the key that was kept tells.
            try forge(directory + "/other", identity, try SigningKey.generate())
            let other = try LogVerification.run(
                try AuditSource(logDirectory: directory + "/other"),
                trusted: [try history.trusted()]
            )
            #expect(other.verdict == .damaged)
        }
    }

    @Test("a false state digest, root, size or signature on record is told", arguments: 0..<5)
    func falseRecords(which: Int) throws {
        try withTemporaryDirectory { directory in
            let identity = LogIdentity(registryID: RegistryID(rawValue: 5), epoch: Epoch(rawValue: 6))
            try forge(directory + "/log", identity, try SigningKey.generate(), spoil: which)
            let result = try LogVerification.run(try AuditSource(logDirectory: directory + "/log"))
            #expect(result.verdict == .damaged)
            #expect(result.problems.allSatisfy { $0.what.hasPrefix("checkpoint on record") })
        }
    }

    // MARK: What a forger does

    private func segmentPaths(_ history: RecordedHistory) throws -> [String] {
        try ["log", "beats"].flatMap { stream in
            try directoryEntries(history.data + "/" + stream).filter { $0.hasSuffix(".zst") }.map {
                "\(history.data)/\(stream)/\($0)"
            }
        }
    }

    /// The same events up to some sequence, in a log of their own.
    private func rewritten(_ history: RecordedHistory, to path: String, keeping: UInt64) throws -> LogVerification {
        _ = try runShell("mkdir \(path)")
        let source = try history.source()
        let log = try SegmentedLog.open(
            directory: path,
            identityIfNew: try #require(try source.logReader().identity),
            knownDurable: .none,
            cleanStop: nil
        ).log
        try source.logReader().forEach(from: SequenceNumber(1), through: SequenceNumber(keeping)) { event, _ in
            _ = try log.append([EncodedEvent(event)])
            return true
        }
        try log.closeCleanly()
        return try LogVerification.run(try AuditSource(logDirectory: path), notes: [history.note])
    }

    private func forge(_ path: String, _ identity: LogIdentity, _ key: SigningKey, spoil: Int? = nil) throws {
        _ = try runShell("mkdir \(path)")
        let log = try SegmentedLog.open(
            directory: path,
            identityIfNew: identity,
            knownDurable: .none,
            cleanStop: nil
        ).log
        var store = try InMemoryRecordStore()
        var changes: [ViewChange] = []
        for number in 1...40 as ClosedRange<UInt64> {
            let instance = try sampleInstance("billing", "forged-\(number)")
            var event = Event(
                sequence: SequenceNumber(number),
                time: .sample(Int64(number)),
                actor: nil,
                kind: .instanceRegistered(instance, health: .healthy)
            )
            if number.isMultiple(of: 10) {
                let record = try checkpoint(log, store, identity, key, spoil: number == 20 ? spoil : nil)
                event.kind = .checkpointed(record)
            }
            Projection.apply(event, to: &store, changes: &changes)
            _ = try log.append([EncodedEvent(event)])
        }
        try log.closeCleanly()
    }

    private func checkpoint(
        _ log: SegmentedLog,
        _ store: InMemoryRecordStore,
        _ identity: LogIdentity,
        _ key: SigningKey,
        spoil: Int?
    ) throws -> CheckpointRecord {
        var origin = Checkpoint.origin(trustDomain: "gov.local", identity)
        if spoil == 0 { origin = "gov.local/hms/other/1" }
        var checkpoint = Checkpoint(origin: origin, size: log.lastSequence, root: log.merkleRoot)
        if spoil == 1 { checkpoint.size = SequenceNumber(checkpoint.size.rawValue - 3) }
        var digest = store.stateDigest().bytes
        if spoil == 2 { digest[0] ^= 1 }
        let signer = spoil == 3 ? try SigningKey.generate() : key
        var signature = try checkpoint.signed(by: signer).signatures[0].bytes
        if spoil == 4 { signature[9] ^= 1 }
        return CheckpointRecord(
            size: checkpoint.size,
            root: checkpoint.root.bytes,
            digestVersion: 1,
            stateDigest: digest,
            origin: origin,
            publicKey: signer.publicKey.bytes,
            signature: signature
        )
    }
}

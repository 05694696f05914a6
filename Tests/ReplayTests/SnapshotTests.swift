import EventLog
import OpenSSLCrypto
import Registry
import RegistryModel
import Replay
import TestSupport
import Testing

@Suite("Snapshots")
struct SnapshotTests {
    private let epoch = Epoch(rawValue: 0xABCD)
    private let actor = Actor(.uid(7))

    @Test("a snapshot of a registry under load is whole, ordinary tar lists it, and the registry is not held up")
    func underLoad() async throws {
        try await withTemporaryDirectory { directory in
            let data = directory + "/data"
            let path = directory + "/a.tar.zst"
            try await RecordedHistory.live(data) { registry in
                for number in 1...20 { try await RecordedHistory.register(number, registry) }
                _ = try await registry.signCheckpoint()
                async let load: Void = Self.load(registry)
                let manifest = try SnapshotArchive.write(to: path, view: registry.view, dataDirectory: data)
                try await load
                #expect(manifest.sequence >= SequenceNumber(22))
                #expect(manifest.instances >= 20)
                #expect(try SnapshotArchive.verify(path) == manifest)
                #expect(try SnapshotArchive.inspect(path) == manifest)
                #expect(throws: ReplayError.self) {
                    _ = try SnapshotArchive.write(to: path, view: registry.view, dataDirectory: data)
                }
            }
            let listed = try runShell("cd \(directory) && tar --zstd -tf a.tar.zst")
            #expect(listed.status == 0)
            #expect(
                listed.output.split(separator: "\n") == [
                    "manifest.json", "view/0/data.mdb", "log/00000000000000000001.hmslog.zst", "checkpoint.note",
                    "checkpoint.vkey",
                ]
            )
            #expect(try directoryEntries(directory) == ["a.tar.zst", "data"])
        }
    }

    private static func load(_ registry: ServiceRegistry) async throws {
        for number in 21...120 { try await RecordedHistory.register(number, registry) }
    }

    /// All that a snapshot holds, entry by entry.
    private static func content(of path: String) throws -> [[UInt8]] {
        let archive = try ArchiveReader(path: path)
        var content: [[UInt8]] = []
        while let entry = try archive.next() {
            var bytes = Array(entry.name.utf8)
            try archive.content(of: entry) { bytes += $0 }
            content.append(bytes)
        }
        return content
    }

    @Test("every changed byte of a snapshot is told", arguments: [5, 6] as [UInt64])
    func damage(seed: UInt64) async throws {
        var random = SeededGenerator(usual: seed)
        try await withTemporaryDirectory { directory in
            let path = try await Self.snapshot(in: directory)
            let bytes = try readFile(path)
            let content = try Self.content(of: path)
            for round in 0..<40 {
                // What the frame's first bytes say of memory decides about no byte of what it holds.
                var spoiled = bytes[..<8] + random.flippingOneBit(of: Array(bytes[8...]))
                if round % 4 == 0 { spoiled = bytes[..<random.below(bytes.count)] }
                try writeFile(path, Array(spoiled))
                // Nor do a few other bits of a frame, which no decoder looks at: that is the same snapshot then.
                if let read = try? Self.content(of: path), read == content {
                    #expect(throws: Never.self, "seed \(random.seed), round \(round)") {
                        _ = try SnapshotArchive.verify(path)
                    }
                    continue
                }
                #expect(throws: (any Error).self, "seed \(random.seed), round \(round)") {
                    _ = try SnapshotArchive.verify(path)
                }
                #expect(try directoryEntries(directory) == ["a.tar.zst", "data", "kept.note"])
            }
        }
    }

    @Test(
        "a restored registry goes on in an epoch of its own, which says what was restored, by whom and where it forks"
    )
    func restore() async throws {
        try await withTemporaryDirectory { directory in
            let path = try await Self.snapshot(in: directory)
            let manifest = try SnapshotArchive.inspect(path)
            let target = directory + "/restored"
            let restored = try SnapshotRestore.run(
                path,
                to: target,
                epoch: epoch,
                actor: actor,
                now: .sample(0)
            )
            #expect(restored.fork >= manifest.sequence && restored.instances == manifest.instances)
            #expect(throws: ReplayError.self) {
                _ = try SnapshotRestore.run(path, to: target, epoch: epoch, actor: actor, now: .sample(0))
            }
            var handle = SequenceNumber.none
            try await RecordedHistory.live(target) { registry in
                #expect(registry.epoch == epoch && registry.registryID == manifest.registryID)
                #expect(registry.instanceCount == manifest.instances)
                try await RecordedHistory.register(500, registry)
                handle = registry.sequence
                // What was issued in the old epoch is not taken for this one's.
                let stale = IncarnationTag(epoch: manifest.epoch, handle: handle)
                await #expect(throws: RegistryError.self) {
                    _ = try await registry.submit(
                        .drain(try sampleKey("ledger", "b-500"), ifMatch: stale),
                        actor: Actor(.uid(1))
                    )
                }
            }
            let result = try LogVerification.run(try AuditSource(dataDirectory: target))
            #expect(result.problems == [])
            #expect(result.restores.map(\.record.sequence) == [restored.fork])
            #expect(result.restores.first?.event.actor == actor)
            // A note of the old epoch from before the fork still anchors it.
            let anchored = try LogVerification.run(
                try AuditSource(dataDirectory: target),
                notes: [directory + "/kept.note"]
            )
            #expect(anchored.verdict == .intact)
        }
    }

    @Test("a restore rolls forward over a newer log to a moment, and a note beyond the fork is set aside")
    func rollForward() async throws {
        try await withTemporaryDirectory { directory in
            let path = try await Self.snapshot(in: directory)
            let manifest = try SnapshotArchive.inspect(path)
            let data = directory + "/data"
            try await RecordedHistory.live(data) { registry in
                for number in 200...210 { try await RecordedHistory.register(number, registry) }
            }
            let newer = try AuditSource(dataDirectory: data)
            let until = SequenceNumber(manifest.sequence.rawValue + 6)
            let restored = try SnapshotRestore.run(
                path,
                to: directory + "/restored",
                newer: newer,
                until: .sequence(until),
                epoch: epoch,
                actor: actor,
                now: .sample(0)
            )
            #expect(restored.fork == until)
            let result = try LogVerification.run(
                try AuditSource(dataDirectory: directory + "/restored"),
                notes: [data + "/checkpoint.note"]
            )
            #expect(result.problems == [])
            guard case .setAside(let by)? = result.anchors.first?.standing else {
                Issue.record("the note is \(String(describing: result.anchors.first?.standing))")
                return
            }
            #expect(by.contains("a.tar.zst"))
            #expect(result.restores.first?.record.lastKnownLost == (try newer.logReader().lastSequence))
            #expect(throws: ReplayError.self) {
                _ = try SnapshotRestore.run(
                    path,
                    to: directory + "/other",
                    until: .sequence(SequenceNumber(2)),
                    epoch: epoch,
                    actor: actor,
                    now: .sample(0)
                )
            }
            #expect(try directoryEntries(directory).contains("other") == false)
        }
    }

    /// A registry's snapshot, and a note that was kept before it.
    private static func snapshot(in directory: String) async throws -> String {
        let path = directory + "/a.tar.zst"
        try await RecordedHistory.live(directory + "/data") { registry in
            for number in 1...30 { try await RecordedHistory.register(number, registry) }
            try writeFile(directory + "/kept.note", Array(try await registry.signCheckpoint().rendered.utf8))
            for number in 31...40 { try await RecordedHistory.register(number, registry) }
            _ = try SnapshotArchive.write(to: path, view: registry.view, dataDirectory: directory + "/data")
        }
        return path
    }
}

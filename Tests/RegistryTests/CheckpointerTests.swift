import EventLog
import Glibc
import MaterializedView
import OpenSSLCrypto
import RegistryModel
import TestSupport
import Testing

@testable import Registry

@Suite("Signing the log")
struct CheckpointerTests {
    private func options(_ directory: String, copy: String? = nil) -> ServiceRegistry.Options {
        ServiceRegistry.Options(
            dataDirectory: directory,
            // On a busy machine a test may last longer than a ttl is by default.
            healthPolicy: HealthPolicy(ttl: .seconds(86_400), deregisterAfter: .seconds(86_400)),
            reserveBytes: 0,
            checkpoints: CheckpointOptions(trustDomain: "gov.local", interval: .seconds(3_600), copyDirectory: copy)
        )
    }

    private func open(_ options: ServiceRegistry.Options) throws -> ServiceRegistry {
        try ServiceRegistry.open(options, notice: { _ in }, fatal: { _ in })
    }

    private func register(_ number: Int, in registry: ServiceRegistry) async throws {
        let instance = try sampleInstance("billing", "b-\(number)")
        _ = try await registry.submit(.register(Registration(instance: instance)), actor: Actor(.uid(1)))
    }

    /// Every checkpoint on record, with the events before it.
    private func records(_ directory: String) throws -> [(at: SequenceNumber, record: CheckpointRecord)] {
        var found: [(SequenceNumber, CheckpointRecord)] = []
        try LogReader(directory: directory + "/log", stream: .log).forEach(from: SequenceNumber(1)) { event, _ in
            if case .checkpointed(let record) = event.kind { found.append((event.sequence, record)) }
            return true
        }
        return found
    }

    @Test("a new key signs by the word of the old one, which is gone; a crash in between is mended either way")
    func rotation() async throws {
        try await withTemporaryDirectory { directory in
            let data = directory + "/data"
            let pem = data + "/keys/checkpoint.pem"
            var keys: [NoteKey] = []
            var oldPEM: [UInt8] = []
            try await live(data) { registry in
                try await register(1, in: registry)
                keys.append(try #require(registry.checkpointKey))
                oldPEM = try readFile(pem)
                keys.append(try await registry.rotateCheckpointKey())
                try await register(2, in: registry)
                let note = try await registry.signCheckpoint()
                #expect(note.isSigned(by: keys[1]) && registry.checkpointKey == keys[1])
            }
            #expect(keys[0] != keys[1] && keys[0].name == keys[1].name)
            let newPEM = try readFile(pem)
            #expect(newPEM != oldPEM && access(pem + ".next", F_OK) != 0)
            #expect(String(decoding: try readFile(data + "/checkpoint.vkey"), as: UTF8.self) == "\(keys[1])\n")
            // Killed when the change was on record, and the file had not its name yet.
            try writeFile(pem, oldPEM)
            try writeFile(pem + ".next", newPEM)
            try await live(data) { registry in #expect(registry.checkpointKey == keys[1]) }
            // Killed before it was on record.
            try writeFile(pem + ".next", oldPEM)
            try await live(data) { registry in #expect(registry.checkpointKey == keys[1]) }
            #expect(access(pem + ".next", F_OK) != 0)
        }
    }

    @Test("a note asked for covers everything before, is signed, kept, copied and on record with the state's digest")
    func asked() async throws {
        try await withTemporaryDirectory { directory in
            let copies = directory + "/copies"
            _ = try runShell("mkdir \(copies)")
            let registry = try open(options(directory + "/data", copy: copies))
            for number in 1...5 { try await register(number, in: registry) }
            let note = try await registry.signCheckpoint()
            let key = try #require(registry.checkpointKey)
            #expect(note.isSigned(by: key))
            let checkpoint = try Checkpoint(text: note.text)
            #expect(checkpoint.size == SequenceNumber(6))
            #expect(
                checkpoint.origin == "gov.local/hms/\(registry.registryID)/\(registry.epoch)"
            )
            let reader = try LogReader(directory: directory + "/data/log", stream: .log)
            #expect(try reader.merkleRoot(at: checkpoint.size) == checkpoint.root)
            let kept = String(decoding: try readFile(directory + "/data/checkpoint.note"), as: UTF8.self)
            #expect(kept == note.rendered)
            #expect(try directoryEntries(copies) == ["00000000000000000006.note", "registry.vkey"])
            #expect(
                String(decoding: try readFile(copies + "/registry.vkey"), as: UTF8.self) == "\(key)\n"
            )
            // Nothing new but its own record: the same note again.
            #expect(try await registry.signCheckpoint() == note)
            let recorded = try records(directory + "/data")
            #expect(recorded.map(\.at) == [SequenceNumber(7)])
            #expect(recorded[0].record.note == note)
            var digest = try ViewDigest()
            // Nothing that the digest is made of has changed since.
            #expect(try registry.view.read { try digest.update($0) }.bytes == recorded[0].record.stateDigest)
            registry.stop(reason: "test")
        }
    }

    /// A life of a registry, from start to clean stop.
    private func live(_ data: String, _ body: (ServiceRegistry) async throws -> Void) async throws {
        let registry = try open(options(data))
        try await body(registry)
        registry.stop(reason: "test")
    }

    @Test("a clean stop is signed, what a crash left is signed at the next start, and each follows from the last")
    func lives() async throws {
        try await withTemporaryDirectory { directory in
            let data = directory + "/data"
            try await live(data) { try await register(1, in: $0) }
            let atStop = try records(data)
            #expect(atStop.map(\.at) == [SequenceNumber(4)])
            #expect(atStop.map(\.record.size) == [SequenceNumber(3)])
            try await live(data) { registry in
                #expect(registry.checkpoint == atStop[0].record.note)
                try await register(2, in: registry)
                _ = try await registry.signCheckpoint()
                try await register(3, in: registry)
                // As a crash leaves it: nothing signed since.
                try copyTree(data, to: directory + "/crashed")
            }
            let all = try records(data)
            #expect(all.map(\.record.size) == [3, 6, 9].map { SequenceNumber($0) })
            try await live(directory + "/crashed") { registry in
                try await eventually("the crash's end is signed") { try records(directory + "/crashed").count == 3 }
            }
            let afterCrash = try records(directory + "/crashed")
            #expect(afterCrash.map(\.record.size).prefix(2) == [SequenceNumber(3), SequenceNumber(6)])
            #expect(afterCrash[2].record.size >= SequenceNumber(8))
            let reader = try LogReader(directory: data + "/log", stream: .log)
            for (_, record) in all {
                let key = try #require(record.noteKey)
                #expect(try #require(record.note).isSigned(by: key))
                #expect(try reader.merkleRoot(at: record.size).bytes == record.root)
            }
            #expect(Set(all.map(\.record.publicKey)).count == 1)
        }
    }

    @Test(
        "a log of as many events that are not the signed ones is not gone on with, and a crash's torn end cuts nothing signed"
    )
    func changedLog() async throws {
        try await withTemporaryDirectory { directory in
            let data = directory + "/data"
            try await live(data) { try await register(1, in: $0) }
            let path = data + "/log/00000000000000000001.hmslog.zst"
            let bytes = try readFile(path)
            // The stop's mark is gone, as after a power cut, and the end of what was signed is spoilt.
            try removeFile(data + "/view/0/mark")
            var spoilt = bytes
            spoilt[bytes.count - 400] ^= 0xFF
            try writeFile(path, spoilt)
            #expect(throws: RegistryError.self) { _ = try open(options(data)) }
            #expect(try readFile(path) == spoilt)
            // Another history of the same registry under the same note.
            try writeFile(path, bytes)
            let note = try SignedNote(parsing: String(decoding: try readFile(data + "/checkpoint.note"), as: UTF8.self))
            var checkpoint = try Checkpoint(text: note.text)
            checkpoint.root = try SHA256Digest.of([1])
            let key = try SigningKeyFile.load(data + "/keys/checkpoint.pem")
            try writeFile(data + "/checkpoint.note", Array(try checkpoint.signed(by: key).rendered.utf8))
            let error = #expect(throws: RegistryError.self) { _ = try open(options(data)) }
            #expect(error?.message.contains("does not go on from the checkpoint of 3 events") == true)
        }
    }

    @Test("a log that was cut behind what was signed is not gone on with")
    func cutLog() async throws {
        try await withTemporaryDirectory { directory in
            let data = directory + "/data"
            try await live(data) { try await register(1, in: $0) }
            try copyTree(data, to: directory + "/older")
            try await live(data) { try await register(2, in: $0) }
            // Somebody puts the older log back, but not the note that was signed since.
            _ = try runShell(
                "cd \(directory); rm -r data/log data/view data/beats; cp -r older/log older/view older/beats data"
            )
            let error = #expect(throws: RegistryError.self) { _ = try open(options(data)) }
            #expect(error?.message.contains("7 was durable") == true)
        }
    }
}

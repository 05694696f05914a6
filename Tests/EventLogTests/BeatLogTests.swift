import OpenSSLCrypto
import RegistryModel
import TestSupport
import Testing

@testable import EventLog

@Suite("The beats stream")
struct BeatLogTests {
    private func open(_ directory: String, cleanStop: Bool = false) throws -> BeatLog {
        let options = SegmentedLog.Options.small(segmentBytes: 300)
        return try BeatLog.open(directory: directory, identity: testIdentity, cleanStop: cleanStop, options: options)
    }

    private func beats(_ count: Int) -> PackedHeartbeats {
        var packer = HeartbeatPacker()
        for handle in 0..<count { packer.append(InstanceHandle(UInt64(handle)), at: Sample.time) }
        return packer.pack(following: SequenceNumber(4), now: Sample.time)
    }

    @Test("a seal tells first and last, how many beats, and the file's digest")
    func seals() throws {
        try withTemporaryDirectory(in: memoryDirectory) { directory in
            var log = try open(directory)
            #expect(try log.seal() == nil)
            #expect(log.openSegmentSince == nil)
            for count in [3, 0, 500, 20] { _ = try log.append(beats(count), time: Sample.time) }
            #expect(log.openSegmentSince == Sample.time)
            // Opened again in between: what is in the open segment is counted anew.
            log = try open(directory)
            #expect(log.openSegmentSince == Sample.time)
            _ = try log.append(beats(7), time: Sample.time)
            let seal = try #require(try log.seal())
            let hasher = try SHA256Hasher()
            try readFile(segmentPath(directory)).withUnsafeBytes { hasher.update($0) }
            #expect(
                seal
                    == BeatsSeal(
                        first: SequenceNumber(1),
                        last: SequenceNumber(5),
                        count: 530,
                        sha256: hasher.finalize().bytes
                    )
            )
            try expectOrdinaryZstd(segmentPath(directory))
            #expect(try log.seal() == nil)
            _ = try log.append(beats(2), time: Sample.time)
            let next = try #require(try log.seal())
            #expect(next.first.rawValue == 6 && next.last.rawValue == 6 && next.count == 2)
        }
    }

    @Test("no segment ends unsealed, however large: each goes on record")
    func noSilentRoll() throws {
        try withTemporaryDirectory(in: memoryDirectory) { directory in
            let log = try open(directory)
            for _ in 0..<20 { _ = try log.append(beats(100), time: Sample.time) }
            let seal = try #require(try log.seal())
            #expect(seal.first.rawValue == 1 && seal.last.rawValue == 20 && seal.count == 2_000)
            try log.closeCleanly()
            #expect(try open(directory, cleanStop: true).lastSequence.rawValue == 20)
        }
    }

    @Test("is not to be taken for the log")
    func otherStream() throws {
        try withTemporaryDirectory(in: memoryDirectory) { directory in
            _ = try open(directory)
            #expect(throws: EventLogError(.damaged, "")) { _ = try openLog(directory) }
        }
    }
}

@Suite("The disk reserve")
struct DiskReserveTests {
    @Test("takes its room up once, and gives it up")
    func reserve() throws {
        try withTemporaryDirectory(in: memoryDirectory) { directory in
            let path = directory + "/reserve"
            let reserve = DiskReserve(path: path, bytes: 100_000)
            #expect(!reserve.isHeld)
            try reserve.ensure()
            #expect(reserve.isHeld)
            #expect(try readFile(path).count == 100_000)
            // Held already: the file is not made anew.
            try writeFile(path, [1])
            try reserve.ensure()
            #expect(try readFile(path) == [1])
            reserve.giveUp()
            reserve.giveUp()
            #expect(!reserve.isHeld)
            #expect(try directoryEntries(directory) == [])
            // What an earlier life left is taken over.
            try writeFile(path, [1])
            try reserve.ensure()
            #expect(try readFile(path).count == 100_000)
        }
    }

    @Test("takes nothing where there isn't that much room")
    func tooLittle() throws {
        try withTemporaryDirectory(in: memoryDirectory) { directory in
            let reserve = DiskReserve(path: directory + "/reserve", bytes: 1 << 50)
            #expect(throws: EventLogError.self) { try reserve.ensure() }
            #expect(!reserve.isHeld)
            let left = try directoryEntries(directory)
            #expect(left == [])
        }
    }
}

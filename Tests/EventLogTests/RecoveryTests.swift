import Glibc
import RegistryModel
import TestSupport
import Testing

@testable import EventLog

/// What opening does when nothing is bad.
@Suite("Recovery")
struct RecoveryTests {
    @Test("a first opening begins a log of the identity it is given; later ones keep it")
    func identity() throws {
        try withTemporaryDirectory(in: memoryDirectory) { directory in
            let (log, recovery) = try openLog(directory)
            #expect(recovery == SegmentedLog.Recovery(created: true))
            #expect(log.identity == testIdentity)
            let other = LogIdentity(registryID: RegistryID(rawValue: 1), epoch: Epoch(rawValue: 1))
            let again = try SegmentedLog.open(
                directory: directory,
                identityIfNew: other,
                knownDurable: .none,
                cleanStop: nil
            )
            #expect(again.log.identity == testIdentity)
            #expect(!again.recovery.created)
        }
    }

    @Test("after an unclean end the batches above what is durable are written and synced again, byte for byte")
    func rewrittenTail() throws {
        try withTemporaryDirectory(in: memoryDirectory) { directory in
            try makeLog(directory, batches: [4, 3, 5])
            let before = try contents(of: directory)
            // What is known from elsewhere, and how many batches end above it. The last header knows of 7.
            for (known, rewritten) in [(0, 1), (4, 1), (7, 1), (8, 1), (11, 1), (12, 0)] as [(UInt64, Int)] {
                let failpoints = Failpoints()
                let (log, recovery) = try openLog(directory, knownDurable: known, options: .small(failpoints))
                #expect(recovery.rewrittenBatches == rewritten, "known \(known)")
                #expect(failpoints.count(of: .write) == rewritten)
                #expect(failpoints.count(of: .sync) >= 1)
                #expect(try contents(of: directory) == before)
                try expectHistory(log, 12)
            }
        }
    }

    @Test("a rewrite that fails keeps the log from opening", arguments: [Failpoints.Operation.write, .sync])
    func failedRewrite(operation: Failpoints.Operation) throws {
        try withTemporaryDirectory(in: memoryDirectory) { directory in
            try makeLog(directory, batches: [4, 3])
            let failpoints = Failpoints()
            failpoints.arm(operation, .refuse(EIO))
            #expect(throws: EventLogError.self) { _ = try openLog(directory, options: .small(failpoints)) }
            try expectHistory(try openLog(directory).log, 7)
        }
    }

    @Test("after a clean stop nothing is written")
    func cleanStop() throws {
        try withTemporaryDirectory(in: memoryDirectory) { directory in
            let log = try makeLog(directory, batches: [4, 3, 5])
            try log.closeCleanly()
            let before = try contents(of: directory)
            let failpoints = Failpoints()
            let (again, recovery) = try openLog(directory, cleanStop: 12, options: .small(failpoints))
            #expect(recovery == SegmentedLog.Recovery())
            for operation in Failpoints.Operation.allCases {
                #expect(failpoints.count(of: operation) == 0, "\(operation)")
            }
            #expect(try contents(of: directory) == before)
            try expectHistory(again, 12)
        }
    }

    @Test("a clean stop gives back what was allocated, and nothing can be appended behind it")
    func trimmed() throws {
        try withTemporaryDirectory(in: memoryDirectory) { directory in
            let log = try makeLog(directory, batches: [4, 3, 5])
            #expect(try readFile(segmentPath(directory)).count > Int(log.bytesOnDisk))
            try log.closeCleanly()
            #expect(try readFile(segmentPath(directory)).count == Int(log.bytesOnDisk))
            #expect(throws: EventLogError(.dead, "")) { _ = try log.append(history(13, 13)) }
            #expect(throws: EventLogError(.dead, "")) { try log.roll() }
            #expect(try readBack(log).count == 12)
        }
    }

    @Test("segments that were never given their name are removed")
    func unnamedSegments() throws {
        try withTemporaryDirectory(in: memoryDirectory) { directory in
            try makeLog(directory, batches: [4])
            try writeFile(segmentPath(directory, 5) + ".new", [1, 2, 3])
            try expectHistory(try openLog(directory).log, 4)
            #expect(try directoryEntries(directory) == [SegmentFile.name(SequenceNumber(1))])
        }
    }

    @Test("an end between the sealing of a segment and the next one's appearance is finished")
    func sealedWithoutNext() throws {
        try withTemporaryDirectory(in: memoryDirectory) { directory in
            let log = try makeLog(directory, batches: [4, 3])
            try log.roll()
            try removeFile(segmentPath(directory, 8))
            for _ in 0..<2 {
                let (again, recovery) = try openLog(directory, knownDurable: 7)
                #expect(recovery.tornBytes == 0)
                #expect(again.bytesOnDisk == log.bytesOnDisk)
                #expect(again.lastTime == log.lastTime)
                try expectHistory(again, 7)
            }
            #expect(try SegmentFile.list(directory).map(\.rawValue) == [1, 8])
        }
    }

    @Test("a footer that stands before its segment was cut to size is finished too")
    func untrimmedFooter() throws {
        try withTemporaryDirectory(in: memoryDirectory) { directory in
            let log = try makeLog(directory, batches: [4, 3])
            try log.roll()
            let sealed = try readFile(segmentPath(directory))
            try removeFile(segmentPath(directory, 8))
            // The rest of the padding that the footer was written over, and what lies behind.
            try writeFile(segmentPath(directory), sealed + [0x10, 0x20] + [UInt8](repeating: 0, count: 3_000))
            let failpoints = Failpoints()
            let (again, recovery) = try openLog(directory, knownDurable: 7, options: .small(failpoints))
            #expect(recovery.tornFile == nil)
            #expect(try readFile(segmentPath(directory)) == sealed)
            #expect(again.lastTime == log.lastTime)
            try expectHistory(again, 7)
            _ = try again.append(history(8, 9))
            try expectHistory(try openLog(directory).log, 9)
        }
    }

    @Test("a half-written footer is a torn tail: the segment goes on")
    func tornFooter() throws {
        try withTemporaryDirectory(in: memoryDirectory) { directory in
            let log = try makeLog(directory, batches: [4, 3])
            try log.roll()
            let sealed = try readFile(segmentPath(directory))
            let end = try #require(try batches(in: directory).last.map { $0.offset + Int($0.header.batchBytes) })
            for cut in end + 1..<sealed.count {
                for name in try directoryEntries(directory) { try removeFile(directory + "/" + name) }
                try writeFile(segmentPath(directory), Array(sealed[..<cut]))
                let (again, recovery) = try openLog(directory, knownDurable: 7)
                #expect(recovery.tornBytes > 0, "cut at \(cut)")
                #expect(again.lastSequence.rawValue == 7, "cut at \(cut)")
                _ = try again.append(history(8, 8))
                #expect(try readBack(again).count == 8, "cut at \(cut)")
            }
        }
    }

    @Test("the last time is that of the segment before, when the open one holds nothing")
    func lastTime() throws {
        try withTemporaryDirectory(in: memoryDirectory) { directory in
            let log = try makeLog(directory, batches: [4])
            try log.roll()
            #expect(try openLog(directory).log.lastTime == history(4, 4)[0].time)
            #expect(try LogReader(directory: directory, stream: .log).lastTime == history(4, 4)[0].time)
        }
    }
}

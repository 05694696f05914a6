import Glibc
import RegistryModel
import TestSupport
import Testing

@testable import EventLog

@Suite("Rolling")
struct RollingTests {
    @Test("a segment is sealed once it is larger, and the next one takes over the tree")
    func rolls() throws {
        try withTemporaryDirectory(in: memoryDirectory) { directory in
            let options = SegmentedLog.Options.small(segmentBytes: 2_000)
            let log = try makeLog(directory, batches: [UInt64](repeating: 3, count: 30), options: options)
            let segments = try SegmentFile.list(directory).map(\.rawValue)
            #expect(segments.count > 3)
            try expectHistory(log, 90)
            for (first, next) in zip(segments, segments.dropFirst()) {
                let reader = try SegmentReader(
                    directory: directory,
                    first: SequenceNumber(first),
                    decompressor: try ZstdDecompressor()
                )
                let footer = try #require(try reader.footer()).footer
                #expect(footer.lastSequence.rawValue == next - 1)
                #expect(footer.lastTime == history(next - 1, next - 1)[0].time)
                #expect(footer.root == (try naiveRoot(history(1, next - 1).map(\.bytes))))
                #expect(footer.entries.first?.firstSequence.rawValue == first)
            }
            try expectHistory(try openLog(directory, options: options).log, 90)
        }
    }

    @Test("the footer's index leads to batches, sparsely")
    func index() throws {
        try withTemporaryDirectory(in: memoryDirectory) { directory in
            let log = try openLog(directory).log
            var random = SeededGenerator(usual: 5)
            for sequence in 1...60 as ClosedRange<UInt64> {
                let reason = String(decoding: random.bytes(1_500).map { 0x20 + $0 % 95 }, as: UTF8.self)
                _ = try log.append([EncodedEvent(Sample.event(sequence, reason: reason))])
            }
            try log.roll()
            let reader = try SegmentReader(
                directory: directory,
                first: SequenceNumber(1),
                decompressor: try ZstdDecompressor()
            )
            let entries = try #require(try reader.footer()).footer.entries
            #expect((3..<10).contains(entries.count))
            for entry in entries {
                guard case .batch(let header) = try reader.frame(at: entry.offset, fileSize: try reader.size()) else {
                    Issue.record("no batch at \(entry.offset)")
                    continue
                }
                #expect(header.firstSequence == entry.firstSequence)
                #expect(header.firstTime == entry.firstTime)
            }
            for (entry, next) in zip(entries, entries.dropFirst()) {
                #expect(next.offset - entry.offset >= SegmentFooter.spacing)
            }
            // And reading from anywhere starts there without missing anything.
            for first in 1...60 as ClosedRange<UInt64> {
                #expect(try readBack(log, from: first).count == Int(61 - first))
            }
        }
    }

    @Test("an empty segment is not sealed")
    func emptySegment() throws {
        try withTemporaryDirectory(in: memoryDirectory) { directory in
            let log = try openLog(directory).log
            try log.roll()
            _ = try log.append(history(1, 2))
            try log.roll()
            try log.roll()
            #expect(try SegmentFile.list(directory).map(\.rawValue) == [1, 3])
        }
    }

    @Test(
        "nothing is ever appended behind a footer, even where the next segment could not be made",
        arguments: [(Failpoints.Operation.write, 2), (.truncate, 1)]
    )
    func failedRoll(operation: Failpoints.Operation, nth: Int) throws {
        try withTemporaryDirectory(in: memoryDirectory) { directory in
            let failpoints = Failpoints()
            let log = try openLog(directory, options: .small(failpoints)).log
            _ = try log.append(history(1, 5))
            failpoints.arm(operation, nth: nth, .refuse(ENOSPC))
            #expect(throws: EventLogError.self) { try log.roll() }
            _ = try log.append(history(6, 7))
            try expectHistory(log, 7)
            try expectOrdinaryZstd(segmentPath(directory))
            #expect(try SegmentFile.list(directory).map(\.rawValue) == [1, 6])
            try expectHistory(try openLog(directory, knownDurable: 7).log, 7)
        }
    }
}

import RegistryModel
import TestSupport
import Testing

@testable import EventLog

@Suite("Reading")
struct ReadingTests {
    private func sequences(
        _ directory: String,
        from first: UInt64,
        through last: UInt64? = nil
    ) throws -> [UInt64] {
        var found: [UInt64] = []
        let reader = try LogReader(directory: directory, stream: .log)
        try reader.forEach(from: SequenceNumber(first), through: last.map { SequenceNumber($0) }) { event, _ in
            found.append(event.sequence.rawValue)
            return true
        }
        return found
    }

    private func sequences(_ directory: String, since: Int64, until: Int64? = nil) throws -> [UInt64] {
        var found: [UInt64] = []
        let reader = try LogReader(directory: directory, stream: .log)
        let end = until.map { Timestamp(rawValue: $0) }
        try reader.forEach(since: Timestamp(rawValue: since), until: end) { event, _ in
            found.append(event.sequence.rawValue)
            return true
        }
        return found
    }

    @Test("by sequence, from and through any, over segments")
    func bySequence() throws {
        try withTemporaryDirectory(in: memoryDirectory) { directory in
            let batches = [UInt64](repeating: 3, count: 8)
            try makeLog(directory, batches: batches, options: .small(segmentBytes: 1_000))
            for first in 1...24 as ClosedRange<UInt64> {
                #expect(try sequences(directory, from: first) == Array(first..<25))
                for last in first...25 {
                    #expect(try sequences(directory, from: first, through: last) == Array(first..<min(last + 1, 25)))
                }
            }
        }
    }

    @Test("by time, also across a clock that was set back")
    func byTime() throws {
        try withTemporaryDirectory(in: memoryDirectory) { directory in
            let log = try openLog(directory).log
            // 1...5 at 100...500; the clock is set back; 6...8 at 200...400; the next segment goes on at 600.
            let times: [[Int64]] = [[100, 200, 300], [400, 500], [], [200, 300], [400], [], [600]]
            var sequence: UInt64 = 0
            for batch in times {
                guard !batch.isEmpty else {
                    try log.roll()
                    continue
                }
                var events: [EncodedEvent] = []
                for time in batch {
                    sequence += 1
                    events.append(EncodedEvent(Sample.event(sequence, time: Timestamp(rawValue: time))))
                }
                _ = try log.append(events)
            }
            #expect(try sequences(directory, since: .min) == Array(1...9))
            #expect(try sequences(directory, since: 300) == [3, 4, 5, 7, 8, 9])
            #expect(try sequences(directory, since: 300, until: 500) == [3, 4, 7, 8])
            #expect(try sequences(directory, since: 450) == [5, 9])
            #expect(try sequences(directory, since: 601) == [])
            #expect(try sequences(directory, since: .min, until: 100) == [])
            #expect(try LogReader(directory: directory, stream: .log).lastTime == Timestamp(rawValue: 600))
        }
    }

    @Test("a follower shows each event once, over rolls, and never what is half written")
    func follower() throws {
        try withTemporaryDirectory(in: memoryDirectory) { directory in
            let log = try openLog(directory, options: .small(segmentBytes: 900)).log
            var follower = try LogFollower(directory: directory, from: SequenceNumber(1))
            var seen: [[UInt8]] = []
            #expect(try follower.poll { _, _ in } == 0)
            for count: UInt64 in [1, 5, 2, 9, 1, 30, 4] {
                let first = log.lastSequence.rawValue + 1
                _ = try log.append(history(first, first + count - 1))
                if count == 9 { try log.roll() }
                #expect(try follower.poll { _, bytes in seen.append([UInt8](bytes)) } == Int(count))
                #expect(try follower.poll { _, _ in } == 0)
                #expect(follower.next == log.lastSequence.next)
            }
            #expect(seen == history(1, 52).map(\.bytes))
            // A batch of which only a part is there yet.
            let open = try #require(try SegmentFile.list(directory).last).rawValue
            let before = try readFile(segmentPath(directory, open))
            _ = try log.append(history(53, 60))
            let tail = try #require(try SegmentFile.list(directory).last).rawValue
            let after = try readFile(segmentPath(directory, tail))
            let last = try #require(try batches(in: directory, segment: tail).last)
            for cut in stride(from: last.offset, to: last.offset + Int(last.header.batchBytes), by: 7) {
                let old = tail == open ? Array(before.dropFirst(cut)) : []
                let rest = old + [UInt8](repeating: 0, count: max(0, after.count - cut - old.count))
                try writeFile(segmentPath(directory, tail), after[..<cut] + rest)
                #expect(try follower.poll { _, _ in Issue.record("half a batch, cut at \(cut)") } == 0)
            }
            try writeFile(segmentPath(directory, tail), after)
            #expect(try follower.poll { _, _ in } == 8)
        }
    }

    @Test("a follower whose reader fails shows the same event again")
    func failingReader() throws {
        try withTemporaryDirectory(in: memoryDirectory) { directory in
            try makeLog(directory, batches: [5])
            var follower = try LogFollower(directory: directory, from: SequenceNumber(1))
            #expect(throws: SystemFailure.self) {
                _ = try follower.poll { event, _ in
                    if event.sequence.rawValue == 3 { throw SystemFailure("no more") }
                }
            }
            #expect(follower.next.rawValue == 3)
            #expect(try follower.poll { _, _ in } == 3)
        }
    }

    @Test("the log's owner hears of what can't be read any more, wherever it is", arguments: [0, 1, 2])
    func bitRot(batch: Int) throws {
        try withTemporaryDirectory(in: memoryDirectory) { directory in
            let log = try makeLog(directory, batches: [4, 3, 5])
            var bytes = try readFile(segmentPath(directory))
            bytes[try batches(in: directory)[batch].offset + 70] ^= 1
            try writeFile(segmentPath(directory), bytes)
            #expect(throws: EventLogError(.damaged, "")) { _ = try readBack(log) }
            // What comes behind it is found by headers alone.
            if batch < 2 { #expect(try readBack(log, from: 12).count == 1) }
        }
    }

    @Test("a bad batch in a sealed segment, and a segment that is gone, are damage")
    func sealedDamage() throws {
        try withTemporaryDirectory(in: memoryDirectory) { directory in
            let log = try makeLog(directory, batches: [4])
            for first: UInt64 in [5, 9] {
                try log.roll()
                _ = try log.append(history(first, first + 3))
            }
            let sound = try readFile(segmentPath(directory, 5))
            var bytes = sound
            bytes[try batches(in: directory, segment: 5)[0].offset + 70] ^= 1
            try writeFile(segmentPath(directory, 5), bytes)
            #expect(throws: EventLogError(.damaged, "")) { _ = try readBack(log) }
            #expect(throws: EventLogError(.damaged, "")) { _ = try sequences(directory, from: 1) }
            try removeFile(segmentPath(directory, 5))
            #expect(throws: EventLogError(.damaged, "")) { _ = try readBack(log) }
        }
    }
}

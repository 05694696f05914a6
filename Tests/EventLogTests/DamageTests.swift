import RegistryModel
import TestSupport
import Testing

@testable import EventLog

/// Bad bytes at or below the last sequence that is known to be durable: never cut, never touched.
@Suite("Damage")
struct DamageTests {
    /// Fails unless opening finds damage at `offset` and leaves every byte as it is.
    private func expectDamage(
        _ directory: String,
        at offset: Int?,
        knownDurable: UInt64 = 0,
        cleanStop: UInt64? = nil,
        _ comment: @autoclosure () -> Comment = "",
        sourceLocation: SourceLocation = #_sourceLocation
    ) throws {
        let before = try contents(of: directory)
        let error = #expect(throws: EventLogError.self, comment(), sourceLocation: sourceLocation) {
            _ = try openLog(directory, knownDurable: knownDurable, cleanStop: cleanStop)
        }
        #expect(error?.code == .damaged, comment(), sourceLocation: sourceLocation)
        #expect(error?.offset == offset.map { UInt64($0) }, comment(), sourceLocation: sourceLocation)
        if let offset {
            let message = try #require(error?.message)
            #expect(message.contains("\(offset)") && message.contains("hms-replay verify"), comment())
        }
        #expect(try contents(of: directory) == before, comment(), sourceLocation: sourceLocation)
    }

    @Test("a bit flipped in what a later header says was durable stops the opening, and nothing is changed")
    func flippedBits() throws {
        var random = SeededGenerator(usual: 42)
        try withTemporaryDirectory(in: memoryDirectory) { directory in
            try makeLog(directory, batches: [4, 3, 5])
            let sound = try readFile(segmentPath(directory))
            let starts = [0] + (try batches(in: directory).map(\.offset))
            var harmless = 0
            for _ in 0..<150 {
                let at = random.below(starts[3])
                var flipped = sound
                flipped[at] ^= 1 << UInt8(random.below(8))
                try writeFile(segmentPath(directory), flipped)
                let start = try #require(starts.last { $0 <= at })
                // zstd has bits that mean nothing (RFC 8878 tells decoders to pass over some): the events are whole then.
                if at >= start + BatchHeader.frameBytes, let log = try? openLog(directory).log {
                    try expectHistory(log, 12, "seed \(random.seed), byte \(at)")
                    harmless += 1
                    continue
                }
                try expectDamage(directory, at: start, "seed \(random.seed), byte \(at)")
            }
            #expect(harmless < 10, "seed \(random.seed)")
        }
    }

    @Test("a page of zeros within what was durable is damage")
    func lostPage() throws {
        try withTemporaryDirectory(in: memoryDirectory) { directory in
            try makeLog(directory, batches: [4, 3, 5])
            let second = try batches(in: directory)[1].offset
            var bytes = try readFile(segmentPath(directory))
            for index in second..<second + 200 { bytes[index] = 0 }
            try writeFile(segmentPath(directory), bytes)
            try expectDamage(directory, at: second)
        }
    }

    @Test("a last batch that is known to be durable from elsewhere is not cut, whatever it looks like")
    func lastBatch() throws {
        var random = SeededGenerator(usual: 43)
        try withTemporaryDirectory(in: memoryDirectory) { directory in
            try makeLog(directory, batches: [4, 3, 5])
            let sound = try readFile(segmentPath(directory))
            let last = try #require(try batches(in: directory).last)
            let end = last.offset + Int(last.header.batchBytes)
            for _ in 0..<20 {
                var flipped = sound
                let inHeader = last.offset + random.below(BatchHeader.frameBytes)
                let at = random.oneIn(4) ? end - 1 - random.below(4) : inHeader
                flipped[at] ^= 1
                try writeFile(segmentPath(directory), flipped)
                try expectDamage(directory, at: last.offset, knownDurable: 8, "seed \(random.seed), byte \(at)")
                try expectDamage(directory, at: last.offset, cleanStop: 12, "seed \(random.seed), byte \(at)")
            }
        }
    }

    @Test("a log that ends before what is known to be durable is damaged", arguments: [13, 100] as [UInt64])
    func endsTooEarly(knownDurable: UInt64) throws {
        try withTemporaryDirectory(in: memoryDirectory) { directory in
            try makeLog(directory, batches: [4, 3, 5])
            let last = try #require(try batches(in: directory).last)
            let end = last.offset + Int(last.header.batchBytes)
            try expectDamage(directory, at: end, knownDurable: knownDurable)
            try expectDamage(directory, at: end, cleanStop: knownDurable)
            let bytes = try readFile(segmentPath(directory))
            try writeFile(segmentPath(directory), Array(bytes[..<end]))
            try expectDamage(directory, at: end, knownDurable: knownDurable)
            try writeFile(segmentPath(directory), Array(bytes[..<(end - 1)]))
            try expectDamage(directory, at: last.offset, knownDurable: knownDurable)
        }
    }

    @Test("no log at all, where something was durable, is damage and not a new log")
    func noLog() throws {
        try withTemporaryDirectory(in: memoryDirectory) { directory in
            try expectDamage(directory, at: nil, knownDurable: 1)
            try expectDamage(directory, at: nil, cleanStop: 1)
            #expect(try directoryEntries(directory) == [])
        }
    }

    @Test("a bad footer of a sealed segment is damage where its events are known to be durable")
    func badFooter() throws {
        try withTemporaryDirectory(in: memoryDirectory) { directory in
            let log = try makeLog(directory, batches: [4, 3])
            try log.roll()
            try removeFile(segmentPath(directory, 8))
            let sound = try readFile(segmentPath(directory))
            // The root in the footer: another tree's, with a checksum that fits.
            let reader = try SegmentReader(
                directory: directory,
                first: SequenceNumber(1),
                decompressor: try ZstdDecompressor()
            )
            let (footer, offset) = try #require(try reader.footer())
            var lie = footer
            lie.root = try naiveRoot([[1]])
            try writeFile(segmentPath(directory), sound[..<Int(offset)] + lie.frame)
            try expectDamage(directory, at: Int(offset))
            lie = footer
            lie.lastSequence = SequenceNumber(6)
            try writeFile(segmentPath(directory), sound[..<Int(offset)] + lie.frame)
            try expectDamage(directory, at: Int(offset))
        }
    }

    @Test("a segment without a sound header is damage: one with a name always has one", arguments: [0, 1, 43])
    func badSegmentHeader(count: Int) throws {
        try withTemporaryDirectory(in: memoryDirectory) { directory in
            try makeLog(directory, batches: [4])
            try writeFile(segmentPath(directory), Array(try readFile(segmentPath(directory))[..<count]))
            try expectDamage(directory, at: 0)
        }
    }

    @Test("a segment under another one's name, or of the other stream, is damage")
    func otherSegment() throws {
        try withTemporaryDirectory(in: memoryDirectory) { directory in
            try makeLog(directory, batches: [4])
            let bytes = try readFile(segmentPath(directory))
            try writeFile(segmentPath(directory, 9), bytes)
            try expectDamage(directory, at: 0)
            try removeFile(segmentPath(directory, 9))
            var header = try SegmentReader(
                directory: directory,
                first: SequenceNumber(1),
                decompressor: try ZstdDecompressor()
            ).header
            header.stream = .beats
            try writeFile(segmentPath(directory), header.frame)
            try expectDamage(directory, at: 0)
        }
    }

    @Test("files that are no segments by their name are passed over")
    func otherFiles() throws {
        try withTemporaryDirectory(in: memoryDirectory) { directory in
            for name in ["00000000000000000000", "+0000000000000000009", "0000000000000000009", "99999999999999999999"]
            {
                try writeFile(directory + "/" + name + ".hmslog.zst", [1, 2, 3])
            }
            try writeFile(directory + "/00000000000000000009.hmslog.zst.torn", [1, 2, 3])
            try expectHistory(try makeLog(directory, batches: [3]), 3)
        }
    }
}

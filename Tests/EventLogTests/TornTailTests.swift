import RegistryModel
import TestSupport
import Testing

@testable import EventLog

/// What an unclean end may leave above the last sequence that is known to be durable.
@Suite("Torn tails")
struct TornTailTests {
    /// A log of three batches, 4 + 3 + 5 events; the last one is not known to be durable.
    private func withLog(_ body: (_ directory: String, _ last: Int, _ end: Int, _ bytes: [UInt8]) throws -> Void) throws
    {
        try withTemporaryDirectory(in: memoryDirectory) { directory in
            try makeLog(directory, batches: [4, 3, 5])
            let all = try batches(in: directory)
            let last = try #require(all.last)
            let end = last.offset + Int(last.header.batchBytes)
            try body(directory, last.offset, end, try readFile(segmentPath(directory)))
        }
    }

    /// Puts `bytes` in place of the segment, opens, and says what became of it.
    private func open(_ directory: String, _ bytes: [UInt8]) throws -> SegmentedLog.Recovery {
        for name in try directoryEntries(directory) where name.contains("torn") {
            try removeFile(directory + "/" + name)
        }
        try writeFile(segmentPath(directory), bytes)
        let (log, recovery) = try openLog(directory, knownDurable: 7)
        try expectHistory(log, 7)
        _ = try log.append(history(8, 9))
        try expectHistory(log, 9)
        return recovery
    }

    private enum Rest: CaseIterable {
        case missing
        case zeros
    }

    @Test(
        "a cut at any byte of the last batch costs that batch only, and what there was is kept",
        arguments: Rest.allCases
    )
    private func everyCut(rest: Rest) throws {
        try withLog { directory, last, end, bytes in
            for cut in last..<end {
                let torn = Array(bytes[last..<cut])
                let zeros = rest == .zeros ? [UInt8](repeating: 0, count: bytes.count - cut) : []
                let recovery = try open(directory, Array(bytes[..<cut]) + zeros)
                // Zeros at the end of what was written can't be told from space that never was.
                let kept = Array(torn[...(torn.lastIndex { $0 != 0 } ?? -1)])
                guard !kept.isEmpty else {
                    #expect(recovery.tornBytes == 0 && recovery.tornFile == nil, "cut at \(cut)")
                    continue
                }
                #expect(recovery.tornBytes == kept.count, "cut at \(cut)")
                #expect(try readFile(try #require(recovery.tornFile)) == kept, "cut at \(cut)")
            }
        }
    }

    @Test("a bit flipped in a batch above what is durable costs that batch only")
    func flippedBits() throws {
        var random = SeededGenerator(usual: 41)
        try withLog { directory, last, end, bytes in
            for _ in 0..<60 {
                var flipped = bytes
                // In its header or its checksum: zstd has bits in between that mean nothing.
                let at = random.oneIn(4) ? end - 1 - random.below(4) : last + random.below(BatchHeader.frameBytes)
                flipped[at] ^= 1 << UInt8(random.below(8))
                let recovery = try open(directory, flipped)
                let kept = try readFile(try #require(recovery.tornFile))
                #expect(kept == Array(flipped[last..<last + recovery.tornBytes]), "seed \(random.seed), byte \(at)")
                #expect(recovery.tornBytes >= end - last, "seed \(random.seed), byte \(at)")
            }
        }
    }

    @Test("garbage behind the last batch is cut and kept", arguments: [1, 7, 8, 59, 60, 61, 5_000])
    func garbage(count: Int) throws {
        var random = SeededGenerator(usual: UInt64(count))
        try withLog { directory, last, _, bytes in
            let garbage = random.bytes(count - 1) + [1]
            let recovery = try open(directory, bytes[..<last] + garbage)
            #expect(recovery.tornBytes == count)
            #expect(try readFile(try #require(recovery.tornFile)) == garbage)
        }
    }

    @Test("space that was allocated and never written is no tail", arguments: [1, 8, 60, 4_096, 70_000])
    func allocatedSpace(count: Int) throws {
        try withLog { directory, last, _, bytes in
            let recovery = try open(directory, bytes[..<last] + [UInt8](repeating: 0, count: count))
            #expect(recovery.tornBytes == 0)
            #expect(recovery.tornFile == nil)
        }
    }

    @Test("space allocated behind the unused rest of before, and never written, is no tail")
    func grownAllocation() throws {
        try withTemporaryDirectory(in: memoryDirectory) { directory in
            try makeLog(directory, batches: [4])
            let bytes = try readFile(segmentPath(directory))
            try writeFile(segmentPath(directory), bytes + [UInt8](repeating: 0, count: 4_096))
            let (log, recovery) = try openLog(directory, knownDurable: 4)
            #expect(recovery.tornBytes == 0)
            #expect(recovery.tornFile == nil)
            try expectHistory(log, 4)
            try expectOrdinaryZstd(segmentPath(directory))
        }
    }

    @Test("an earlier torn tail is never written over")
    func keptTails() throws {
        try withLog { directory, last, _, bytes in
            var expected: [[UInt8]] = []
            for round in 1...4 {
                let garbage = [UInt8](repeating: UInt8(round), count: 10 * round)
                try writeFile(segmentPath(directory), bytes[..<last] + garbage)
                let (_, recovery) = try openLog(directory)
                let suffix = round == 1 ? ".torn" : ".torn.\(round)"
                #expect(recovery.tornFile == segmentPath(directory) + suffix)
                expected.append(garbage)
            }
            let kept = try directoryEntries(directory).filter { $0.contains(".torn") }.map {
                try readFile(directory + "/" + $0)
            }
            #expect(kept == expected)
        }
    }

    @Test("a sound header that tells a lying length ends the log there")
    func lyingLengths() throws {
        try withLog { directory, last, _, bytes in
            let (_, header) = try batches(in: directory)[2]
            var lies = [BatchHeader](repeating: header, count: 6)
            lies[0].compressedBytes = UInt32(BatchHeader.maximumPayloadBytes)
            lies[1].compressedBytes -= 1
            lies[2].rawBytes = UInt32(BatchHeader.maximumPayloadBytes)
            lies[3].rawBytes -= 1
            lies[4].eventCount = .max
            lies[5].firstSequence = SequenceNumber(9)
            for lie in lies {
                var head: [UInt8] = []
                lie.append(to: &head)
                var lying = bytes
                lying.replaceSubrange(last..<last + head.count, with: head)
                #expect(try open(directory, lying).tornBytes > 0, "\(lie)")
            }
        }
    }

    @Test("events that are not those that the header names are no batch")
    func wrongEvents() throws {
        try withLog { directory, last, _, bytes in
            // The first batch again: whole and sound, but of sequences that are there already.
            let all = try batches(in: directory)
            let first = bytes[all[0].offset..<all[1].offset]
            #expect(try open(directory, Array(bytes[..<last] + first)).tornBytes > 0)
        }
    }
}

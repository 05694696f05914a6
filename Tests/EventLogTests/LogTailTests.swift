import EventLog
import RegistryModel
import TestSupport
import Testing

@Suite("The tail of a live log")
struct LogTailTests {
    @Test(
        "frames come byte for byte, across segments, whole and only once they are durable",
        arguments: [1, 2] as [UInt64]
    )
    func follows(seed: UInt64) throws {
        var random = SeededGenerator(usual: seed)
        try withTemporaryDirectory(in: memoryDirectory) { directory in
            let log = try SegmentedLog.open(
                directory: directory,
                identityIfNew: LogIdentity(registryID: RegistryID(rawValue: 1), epoch: Epoch(rawValue: 2)),
                knownDurable: .none,
                cleanStop: nil
            ).log
            var tail = LogTail(directory: directory, from: SequenceNumber(1))
            var late = LogTail(directory: directory, from: SequenceNumber(40))
            var copy: [UInt8] = []
            var lateCopy: [UInt8] = []
            for _ in 0..<60 {
                let count = 1 + random.below(4)
                _ = try log.append(
                    (1...count).map { EncodedEvent(Sample.event(log.lastSequence.rawValue + UInt64($0))) }
                )
                if random.oneIn(9) { try log.roll() }
                if random.oneIn(2) {
                    copy += try tail.next(through: log.lastSequence, limit: 1 + random.below(900))
                    lateCopy += try late.next(through: log.lastSequence, limit: 1 << 20)
                }
            }
            let last = log.lastSequence
            try log.closeCleanly()
            while case let piece = try tail.next(through: last, limit: 500), !piece.isEmpty { copy += piece }
            lateCopy += try late.next(through: last, limit: 1 << 20)
            let files = try directoryEntries(directory).sorted()
            #expect(files.count > 2)
            let held = try files.flatMap { try readFile(directory + "/" + $0) }
            let isWhole = copy == held
            let isEnd = lateCopy.count < held.count && !lateCopy.isEmpty && held.suffix(lateCopy.count) == lateCopy[...]
            #expect(isWhole && isEnd, "seed \(random.seed): \(copy.count) and \(lateCopy.count) of \(held.count)")
            #expect(try tail.next(through: last, limit: 500).isEmpty)
        }
    }
}

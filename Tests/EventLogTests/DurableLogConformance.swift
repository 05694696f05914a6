import RegistryModel
import TestSupport
import Testing

@testable import EventLog

/// What every ``DurableLog`` must do.
///
/// - Parameters:
///   - log: an empty one.
///   - reopened: gives up the log that it is handed and opens what it left.
func expectDurableLog<Log: DurableLog>(_ empty: Log, reopened: (Log) throws -> Log) throws {
    try expectEmpty(empty)
    try expectAppends(empty)
    try expectRefusals(empty)
    try expectReading(empty)
    var log = empty
    for _ in 0..<2 {
        let (root, last, time) = (log.merkleRoot, log.lastSequence, log.lastTime)
        let identity = log.identity
        log = try reopened(log)
        #expect(log.merkleRoot == root)
        #expect(log.lastSequence == last)
        #expect(log.lastTime == time)
        #expect(log.identity == identity)
        try expectReading(log)
    }
    let first = log.lastSequence.rawValue + 1
    let receipt = try log.append(history(first, first + 9))
    #expect(receipt.durableThrough.rawValue == first + 9)
    #expect(try readBack(log) == history(1, first + 9).map(\.bytes))
}

private func expectEmpty(_ log: some DurableLog) throws {
    #expect(log.lastSequence == .none)
    #expect(log.lastTime == Timestamp(rawValue: .min))
    #expect(log.merkleRoot == (try naiveRoot([])))
    #expect(try readBack(log) == [])
    let receipt = try log.append([])
    #expect(receipt.durableThrough == .none)
    #expect(receipt.bytesWritten == 0)
}

private func expectAppends(_ log: some DurableLog) throws {
    var last: UInt64 = 0
    var bytes = log.bytesOnDisk
    for count: UInt64 in [1, 2, 7, 1, 40] {
        let batch = history(last + 1, last + count)
        let receipt = try log.append(batch)
        last += count
        #expect(receipt.durableThrough.rawValue == last)
        #expect(receipt.bytesWritten > 0)
        #expect(receipt.syncDuration >= .zero)
        #expect(log.lastSequence.rawValue == last)
        #expect(log.lastTime == batch.last?.time)
        #expect(log.merkleRoot == (try naiveRoot(history(1, last).map(\.bytes))))
        #expect(log.bytesOnDisk > bytes)
        bytes = log.bytesOnDisk
    }
}

private func expectRefusals(_ log: some DurableLog) throws {
    let last = log.lastSequence.rawValue
    let root = log.merkleRoot
    let wrong = [
        history(last, last), history(last + 2, last + 3), history(1, 1),
        // A gap within, and one event twice.
        [history(last + 1, last + 1)[0], history(last + 3, last + 3)[0]],
        [history(last + 1, last + 1)[0], history(last + 1, last + 1)[0]],
        history(last + 1, last + 1) + history(last + 5, last + 5) + history(last + 3, last + 3),
    ]
    for events in wrong {
        #expect(throws: EventLogError(.outOfOrder, "")) { _ = try log.append(events) }
    }
    #expect(log.lastSequence.rawValue == last)
    #expect(log.merkleRoot == root)
    #expect(try readBack(log).count == Int(last))
}

private func expectReading(_ log: some DurableLog) throws {
    let last = log.lastSequence.rawValue
    for first in [1, 2, 3, last / 2, last, last + 1, last + 100] {
        let expected = first > last ? [] : history(first, last).map(\.bytes)
        #expect(try readBack(log, from: first) == expected, "from \(first)")
    }
    // The body's false ends it; its error comes through.
    var seen: [SequenceNumber] = []
    try log.read(from: SequenceNumber(2)) { event, _ in
        seen.append(event.sequence)
        return seen.count < 3
    }
    #expect(seen.map(\.rawValue) == [2, 3, 4])
    #expect(throws: SystemFailure.self) {
        try log.read(from: SequenceNumber(1)) { _, _ in throw SystemFailure("the reader has had enough") }
    }
}

@Suite("The log as a DurableLog")
struct DurableLogTests {
    @Test("SegmentedLog conforms, in one segment or in many", arguments: [1 << 30, 1_500, 1] as [UInt64])
    func segmentedLog(segmentBytes: UInt64) throws {
        try withTemporaryDirectory(in: memoryDirectory) { directory in
            let options = SegmentedLog.Options.small(segmentBytes: segmentBytes)
            try expectDurableLog(try openLog(directory, options: options).log) { log in
                try openLog(directory, knownDurable: log.lastSequence.rawValue, options: options).log
            }
        }
    }

    @Test("SegmentedLog conforms when it is closed cleanly in between")
    func cleanStops() throws {
        try withTemporaryDirectory(in: memoryDirectory) { directory in
            let options = SegmentedLog.Options.small(segmentBytes: 1_500)
            try expectDurableLog(try openLog(directory, options: options).log) { log in
                try log.closeCleanly()
                return try openLog(directory, cleanStop: log.lastSequence.rawValue, options: options).log
            }
        }
    }
}

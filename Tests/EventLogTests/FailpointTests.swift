import Glibc
import RegistryModel
import TestSupport
import Testing

@testable import EventLog

/// A kind of operation, and how it fails.
struct Fault: Sendable, CustomTestStringConvertible {
    var operation: Failpoints.Operation
    var failure: Failpoints.Failure

    var testDescription: String { "\(operation): \(failure)" }

    static let all: [Fault] = Failpoints.Operation.allCases.flatMap { operation in
        let common: [Failpoints.Failure] = [.refuse(EIO), .refuse(ENOSPC), .crash]
        let writes: [Failpoints.Failure] = [
            .short(bytes: 0, errno: ENOSPC), .short(bytes: 40, errno: ENOSPC), .short(bytes: 100, errno: EIO),
            .crashAfter(bytes: 1), .crashAfter(bytes: 61), .crashAfter(bytes: 150),
        ]
        return (operation == .write ? common + writes : common).map { Fault(operation: operation, failure: $0) }
    }
}

@Suite("Failing operations")
struct FailpointTests {
    /// Appends until 30 events are there, rolling on the way; goes on after what may be gone on after.
    ///
    /// - Returns: the last sequence that was acknowledged.
    private func work(_ directory: String, _ failpoints: Failpoints) -> UInt64 {
        var acknowledged: UInt64 = 0
        do {
            let log = try openLog(directory, options: .small(segmentBytes: 1_200, failpoints)).log
            acknowledged = log.lastSequence.rawValue
            while acknowledged < 30 {
                do throws(EventLogError) {
                    _ = try log.append(history(acknowledged + 1, acknowledged + 3))
                    acknowledged += 3
                } catch {
                    guard error.code == .diskFull || error.code == .writeFailed else { break }
                }
            }
            try log.closeCleanly()
        } catch {
            // The end of this life.
        }
        return acknowledged
    }

    @Test(
        "at the n-th operation cost nothing that was acknowledged and leave nothing half-written",
        arguments: Fault.all
    )
    func everyOperation(fault: Fault) throws {
        let dry = Failpoints()
        try withTemporaryDirectory(in: memoryDirectory) { _ = work($0, dry) }
        let total = dry.count(of: fault.operation)
        #expect(total > 0)
        for nth in 1...total {
            try withTemporaryDirectory(in: memoryDirectory) { directory in
                let failpoints = Failpoints()
                failpoints.arm(fault.operation, nth: nth, fault.failure)
                let acknowledged = work(directory, failpoints)
                let (log, _) = try openLog(directory, knownDurable: acknowledged, options: .small())
                let last = log.lastSequence.rawValue
                // What was under way may have happened: wholly or not at all.
                #expect(last == acknowledged || last == acknowledged + 3, "at \(nth)")
                try expectHistory(log, last, "at \(nth)")
                _ = try log.append(history(last + 1, last + 2))
                try expectHistory(log, last + 2, "at \(nth)")
                #expect(try directoryEntries(directory).allSatisfy { !$0.hasSuffix(".new") }, "at \(nth)")
            }
        }
    }

    @Test("after a failed sync every later append fails, and is not tried")
    func failedSync() throws {
        try withTemporaryDirectory(in: memoryDirectory) { directory in
            let failpoints = Failpoints()
            let log = try openLog(directory, options: .small(failpoints)).log
            _ = try log.append(history(1, 3))
            failpoints.arm(.sync, .refuse(EIO))
            #expect(throws: EventLogError(.syncFailed, "")) { _ = try log.append(history(4, 5)) }
            let writes = failpoints.count(of: .write)
            for _ in 0..<3 {
                #expect(throws: EventLogError(.syncFailed, "")) { _ = try log.append(history(4, 5)) }
                #expect(throws: EventLogError(.syncFailed, "")) { try log.roll() }
                #expect(throws: EventLogError(.syncFailed, "")) { try log.closeCleanly() }
            }
            #expect(failpoints.count(of: .write) == writes)
            #expect(log.lastSequence.rawValue == 3)
        }
    }

    @Test(
        "a short append is cut back to the batch's start, and the next one succeeds",
        arguments: [0, 1, 8, 59, 60, 61, 100]
    )
    func cutBack(bytes: Int) throws {
        try withTemporaryDirectory(in: memoryDirectory) { directory in
            let failpoints = Failpoints()
            let log = try openLog(directory, options: .small(failpoints)).log
            _ = try log.append(history(1, 3))
            let (end, root) = (log.bytesOnDisk, log.merkleRoot)
            failpoints.arm(.write, .short(bytes: bytes, errno: ENOSPC))
            #expect(throws: EventLogError(.diskFull, "")) { _ = try log.append(history(4, 8)) }
            #expect(try readFile(segmentPath(directory)).count == Int(end))
            #expect(log.merkleRoot == root)
            try expectOrdinaryZstd(segmentPath(directory))
            _ = try log.append(history(4, 8))
            try expectHistory(log, 8)
            let (again, recovery) = try openLog(directory, knownDurable: 8)
            #expect(recovery.tornBytes == 0)
            try expectHistory(again, 8)
        }
    }

    @Test(
        "where a half-written append can't be cut off, nobody may append",
        arguments: [Failpoints.Operation.truncate, .sync]
    )
    func failedCut(operation: Failpoints.Operation) throws {
        try withTemporaryDirectory(in: memoryDirectory) { directory in
            let failpoints = Failpoints()
            let log = try openLog(directory, options: .small(failpoints)).log
            _ = try log.append(history(1, 3))
            failpoints.arm(.write, .short(bytes: 70, errno: ENOSPC))
            failpoints.arm(operation, .refuse(EIO))
            #expect(throws: EventLogError(.syncFailed, "")) { _ = try log.append(history(4, 8)) }
            #expect(throws: EventLogError(.syncFailed, "")) { _ = try log.append(history(4, 8)) }
            try expectHistory(try openLog(directory, knownDurable: 3).log, 3)
        }
    }

    @Test("no room to allocate says disk-full, changes nothing, and passes")
    func noRoom() throws {
        try withTemporaryDirectory(in: memoryDirectory) { directory in
            let failpoints = Failpoints()
            let log = try openLog(directory, options: .small(failpoints)).log
            failpoints.arm(.allocate, .crash)
            #expect(throws: EventLogError(.dead, "")) { _ = try log.append(history(1, 1)) }
        }
        try withTemporaryDirectory(in: memoryDirectory) { directory in
            let failpoints = Failpoints()
            let log = try openLog(directory, options: .small(failpoints)).log
            // Room for the batch, though not for a step ahead.
            failpoints.arm(.allocate, .refuse(ENOSPC))
            _ = try log.append(history(1, 3))
            #expect(failpoints.count(of: .allocate) == 2)
            try expectOrdinaryZstd(segmentPath(directory))
            try expectHistory(log, 3)
        }
    }
}

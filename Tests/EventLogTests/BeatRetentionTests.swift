import RegistryModel
import TestSupport
import Testing

@testable import EventLog

@Suite("Retention of heartbeats")
struct BeatRetentionTests {
    /// Five sealed segments, an hour each, and an open one.
    private func withBeats(_ body: (String, BeatLog) throws -> Void) throws {
        try withTemporaryDirectory(in: memoryDirectory) { directory in
            let log = try BeatLog.open(directory: directory, identity: testIdentity, cleanStop: true, options: .small())
            for hour in 0..<6 {
                for minute in 0..<3 {
                    let time = Timestamp.sample(Int64(hour) * 3_600 + Int64(minute) * 60)
                    var packer = HeartbeatPacker()
                    packer.append(SequenceNumber(7), at: time)
                    _ = try log.append(packer.pack(following: .none, now: time), time: time)
                }
                if hour < 5 { _ = try log.seal() }
            }
            try body(directory, log)
        }
    }

    private func firsts(_ directory: String) throws -> [UInt64] {
        try LogReader(directory: directory, stream: .beats).segments().map(\.rawValue)
    }

    @Test("by age whole segments go, the oldest first, and what is left reads and verifies on")
    func age() throws {
        try withBeats { directory, log in
            let now = Timestamp.sample(5 * 3_600 + 120)
            #expect(try log.retain(.forever, now: now) == 0)
            #expect(try log.retain(.age(.seconds(10 * 3_600)), now: now) == 0)
            #expect(try log.retain(.age(.seconds(3 * 3_600 + 60)), now: now) == 2)
            #expect(try firsts(directory) == [7, 10, 13, 16])
            // The newest sealed one stays, however old.
            #expect(try log.retain(.age(.seconds(1)), now: now) == 2)
            #expect(try firsts(directory) == [13, 16])
            var audit = try LogAudit(directory: directory, stream: .beats)
            let summary = try audit.run { _ in }
            #expect(summary.findings == [] && summary.events == 6 && summary.first == SequenceNumber(13))
            _ = try log.append(
                PackedHeartbeats(follows: .none, baseUnixMilliseconds: 0, count: 0, packed: []),
                time: now
            )
            #expect(log.lastSequence == SequenceNumber(19))
        }
    }

    @Test("by size they go until the rest is small enough, and the log knows its size")
    func size() throws {
        try withBeats { directory, log in
            let before = log.bytesOnDisk
            #expect(try log.retain(.bytes(before), now: .sample(0)) == 0)
            #expect(try log.retain(.bytes(before - 1), now: .sample(0)) == 1)
            #expect(log.bytesOnDisk < before)
            #expect(try log.retain(.bytes(0), now: .sample(0)) == 3)
            #expect(try firsts(directory) == [13, 16])
            try log.closeCleanly()
            let reopened = try BeatLog.open(directory: directory, identity: testIdentity, cleanStop: true)
            #expect(reopened.bytesOnDisk == log.bytesOnDisk)
        }
    }
}

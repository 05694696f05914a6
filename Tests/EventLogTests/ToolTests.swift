import RegistryModel
import TestSupport
import Testing

@testable import EventLog

/// Fails unless `zstd -t` takes the file as it is.
func expectOrdinaryZstd(_ path: String, sourceLocation: SourceLocation = #_sourceLocation) throws {
    let (status, output) = try runShell("zstd -t -- '\(path)'")
    #expect(status == 0, "\(output)", sourceLocation: sourceLocation)
}

/// What `protoc` makes of a segment, with none of our software.
func decodedByTools(_ path: String) throws -> String {
    let schema = packageDirectory + "/proto/hms/log/v1"
    let (status, text) = try runShell(
        "zstd -dcq -- '\(path)' | protoc --decode=hms.log.v1.EventStream -I '\(schema)' events.proto"
    )
    #expect(status == 0, "\(text)")
    return text
}

@Suite("Ordinary tools")
struct ToolTests {
    @Test("read a live log's segments at any quiet moment")
    func liveLog() throws {
        try withTemporaryDirectory(in: memoryDirectory) { directory in
            let log = try openLog(directory, options: .small(segmentBytes: 4_000)).log
            try expectOrdinaryZstd(segmentPath(directory))
            for last in stride(from: 20 as UInt64, through: 200, by: 20) {
                _ = try log.append((last - 19...last).map { EncodedEvent(Sample.event($0)) })
                let open = try #require(try SegmentFile.list(directory).last)
                try expectOrdinaryZstd(segmentPath(directory, open.rawValue))
            }
            var text = ""
            for first in try SegmentFile.list(directory) {
                try expectOrdinaryZstd(segmentPath(directory, first.rawValue))
                text += try decodedByTools(segmentPath(directory, first.rawValue))
            }
            for sequence in 1...200 {
                #expect(text.contains("  sequence: \(sequence)\n"))
                #expect(text.contains("reason: \"event \(sequence)\"\n"))
            }
            #expect(text.split(separator: "event {").count == 200)
        }
    }

    @Test("read a log after recovery, and after a clean stop")
    func afterwards() throws {
        try withTemporaryDirectory(in: memoryDirectory) { directory in
            let log = try makeLog(directory, batches: [4, 3, 5])
            try writeFile(segmentPath(directory), try readFile(segmentPath(directory)).dropLast(4_000))
            _ = log
            let again = try openLog(directory).log
            try expectOrdinaryZstd(segmentPath(directory))
            _ = try again.append(history(again.lastSequence.rawValue + 1, again.lastSequence.rawValue + 1))
            try expectOrdinaryZstd(segmentPath(directory))
            try again.closeCleanly()
            try expectOrdinaryZstd(segmentPath(directory))
        }
    }

    @Test("read a segment whose allocated space was left as zeros")
    func zeros() throws {
        try withTemporaryDirectory(in: memoryDirectory) { directory in
            try makeLog(directory, batches: [4])
            let end = try #require(try batches(in: directory).last.map { $0.offset + Int($0.header.batchBytes) })
            let bytes = try readFile(segmentPath(directory))
            try writeFile(segmentPath(directory), bytes[..<end] + [UInt8](repeating: 0, count: 4_096))
            try expectHistory(try openLog(directory).log, 4)
            try expectOrdinaryZstd(segmentPath(directory))
        }
    }
}

import OpenSSLCrypto
import RegistryModel
import TestSupport
import Testing

@testable import EventLog

let testIdentity = LogIdentity(registryID: RegistryID(rawValue: 0x1111_2222_3333_4444), epoch: Epoch(rawValue: 7))

extension SegmentedLog.Options {
    /// Small steps, so that tests look through kilobytes and not megabytes.
    static func small(segmentBytes: UInt64 = 1 << 30, _ failpoints: Failpoints? = nil) -> Self {
        SegmentedLog.Options(segmentBytes: segmentBytes, allocationStep: 4_096, failpoints: failpoints)
    }
}

/// Opens the log in `directory`, or begins one.
func openLog(
    _ directory: String,
    knownDurable: UInt64 = 0,
    cleanStop: UInt64? = nil,
    options: SegmentedLog.Options = .small()
) throws -> (log: SegmentedLog, recovery: SegmentedLog.Recovery) {
    try SegmentedLog.open(
        directory: directory,
        identityIfNew: testIdentity,
        knownDurable: SequenceNumber(knownDurable),
        cleanStop: cleanStop.map { SequenceNumber($0) },
        options: options
    )
}

/// Events `first` to `last` of a test's history: always the same ones.
func history(_ first: UInt64, _ last: UInt64) -> [EncodedEvent] {
    (first...last).map { number in
        var random = SeededGenerator(seed: number)
        return EncodedEvent(random.event(number))
    }
}

/// Makes a log of batches of so many events each, and leaves it as an unclean end does.
@discardableResult
func makeLog(
    _ directory: String,
    batches: [UInt64],
    options: SegmentedLog.Options = .small()
) throws -> SegmentedLog {
    let log = try openLog(directory, options: options).log
    for count in batches {
        let first = log.lastSequence.rawValue + 1
        _ = try log.append(history(first, first + count - 1))
    }
    return log
}

/// Where the batches of a segment stand.
func batches(in directory: String, segment: UInt64 = 1) throws -> [(offset: Int, header: BatchHeader)] {
    let reader = try SegmentReader(
        directory: directory,
        first: SequenceNumber(segment),
        decompressor: try ZstdDecompressor()
    )
    var found: [(offset: Int, header: BatchHeader)] = []
    var offset = reader.start
    while case .batch(let header) = try reader.frame(at: offset, fileSize: try reader.size()) {
        found.append((Int(offset), header))
        offset += header.batchBytes
    }
    return found
}

func segmentPath(_ directory: String, _ first: UInt64 = 1) -> String {
    directory + "/" + SegmentFile.name(SequenceNumber(first))
}

/// Every file of a directory with its bytes.
func contents(of directory: String) throws -> [String: [UInt8]] {
    var files: [String: [UInt8]] = [:]
    for name in try directoryEntries(directory) { files[name] = try readFile(directory + "/" + name) }
    return files
}

/// What a log holds from `sequence` on, as the bytes of events.
func readBack(_ log: any DurableLog, from sequence: UInt64 = 1) throws -> [[UInt8]] {
    var bytes: [[UInt8]] = []
    try log.read(from: SequenceNumber(sequence)) { _, raw in
        bytes.append([UInt8](raw))
        return true
    }
    return bytes
}

/// Fails unless the log holds exactly the first `count` events of ``history(_:_:)``, and their root.
func expectHistory(
    _ log: SegmentedLog,
    _ count: UInt64,
    _ comment: @autoclosure () -> Comment = "",
    sourceLocation: SourceLocation = #_sourceLocation
) throws {
    let expected = count == 0 ? [] : history(1, count).map(\.bytes)
    #expect(log.lastSequence.rawValue == count, comment(), sourceLocation: sourceLocation)
    #expect(try readBack(log) == expected, comment(), sourceLocation: sourceLocation)
    #expect(log.merkleRoot == (try naiveRoot(expected)), comment(), sourceLocation: sourceLocation)
}

/// RFC 6962 §2.1 as it is written there: the hash of a list is that of its two parts, split at the largest power of two
/// below its length.
func naiveRoot(_ leaves: [[UInt8]]) throws -> SHA256Digest {
    let hasher = try SHA256Hasher()
    func hash(_ bytes: [UInt8]) -> SHA256Digest {
        bytes.withUnsafeBytes { hasher.update($0) }
        return hasher.finalize()
    }
    func root(_ leaves: ArraySlice<[UInt8]>) -> SHA256Digest {
        guard let first = leaves.first else { return hash([]) }
        guard leaves.count > 1 else { return hash([0] + first) }
        var split = 1
        while split * 2 < leaves.count { split *= 2 }
        let middle = leaves.startIndex + split
        return hash([1] + root(leaves[..<middle]).bytes + root(leaves[middle...]).bytes)
    }
    return root(leaves[...])
}

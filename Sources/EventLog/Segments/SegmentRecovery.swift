import Glibc
import OpenSSLCrypto
import RegistryModel

/// Finds the end of the last segment after whatever happened to it.
///
/// W is the highest sequence that is known to have been durable: the greatest `durable through` of any sound batch
/// header, and what the caller knows. Bad bytes above W are a torn tail, kept beside and cut; bad bytes at or below W
/// are damage, and nothing is touched.
struct SegmentRecovery {
    struct Outcome {
        /// Behind the last whole batch, or the footer.
        var end: UInt64
        var lastSequence: SequenceNumber
        var lastTime: Timestamp
        var index: [SegmentFooter.Entry]
        /// Heartbeats held, for a segment of beats.
        var beats: UInt64 = 0
        var isSealed = false
        var tornBytes = 0
        var tornFile: String?
        var rewrittenBatches = 0
    }

    let directory: String
    let reader: SegmentReader
    let knownDurable: SequenceNumber
    /// After a clean stop every batch was synced: nothing needs writing again.
    let wasClean: Bool
    let failpoints: Failpoints?

    private struct Batch {
        var offset: UInt64
        var header: BatchHeader
    }

    /// - Parameter tree: has the leaves of all segments before; gets those of this one.
    func run(_ tree: inout MerkleTree) throws -> Outcome {
        let size = try reader.size()
        var outcome = Outcome(
            end: reader.start,
            lastSequence: SequenceNumber(reader.header.firstSequence.rawValue &- 1),
            lastTime: Timestamp(rawValue: .min),
            index: []
        )
        var batches: [Batch] = []
        var durable = knownDurable
        var footer: SegmentFooter?
        scan: while true {
            switch try reader.frame(at: outcome.end, fileSize: size) {
            case .batch(let header):
                guard try take(header, size, &outcome, &tree) else {
                    try handleBadBytes(&outcome, size, durable)
                    break scan
                }
                batches.append(Batch(offset: outcome.end - header.batchBytes, header: header))
                durable = max(durable, header.durableThrough)
            case .footer(let found):
                guard found.lastSequence == outcome.lastSequence, found.root == tree.root else {
                    throw EventLogError.damaged("the footer is not this segment's", reader.path, at: outcome.end)
                }
                footer = found
                break scan
            case .padding, .end: break scan
            case .unsound:
                try handleBadBytes(&outcome, size, durable)
                break scan
            }
        }
        guard outcome.lastSequence >= knownDurable else {
            throw EventLogError.damaged(
                "it ends with \(outcome.lastSequence), but \(knownDurable) was durable",
                reader.path,
                at: outcome.end
            )
        }
        if !wasClean { try makeDurable(batches.filter { $0.header.lastSequence > durable }, &outcome) }
        if let footer { try finishSeal(footer, size, &outcome) }
        return outcome
    }

    /// Takes a batch that begins at the outcome's end, if it is whole and follows.
    private func take(
        _ header: BatchHeader,
        _ size: UInt64,
        _ outcome: inout Outcome,
        _ tree: inout MerkleTree
    ) throws -> Bool {
        guard header.firstSequence == outcome.lastSequence.next, header.batchBytes <= size - outcome.end else {
            return false
        }
        // Checked whole before any of it counts.
        var leaves: [[UInt8]] = []
        leaves.reserveCapacity(Int(min(header.eventCount, 65_536)))
        var beats: UInt64 = 0
        let isSound = try reader.check(header, at: outcome.end) { event, bytes in
            leaves.append([UInt8](bytes))
            if case .heartbeats(let packed) = event.kind { beats += UInt64(packed.count) }
        }
        guard isSound else { return false }
        for leaf in leaves { leaf.withUnsafeBytes { tree.append($0) } }
        if outcome.index.last.map({ outcome.end - $0.offset >= SegmentFooter.spacing }) ?? true {
            outcome.index.append(
                SegmentFooter.Entry(
                    firstSequence: header.firstSequence,
                    firstTime: header.firstTime,
                    offset: outcome.end
                )
            )
        }
        outcome.beats += beats
        outcome.end += header.batchBytes
        outcome.lastSequence = header.lastSequence
        outcome.lastTime = header.lastTime
        return true
    }

    // MARK: Bad bytes

    private func handleBadBytes(_ outcome: inout Outcome, _ size: UInt64, _ durable: SequenceNumber) throws {
        let bad = outcome.lastSequence.next
        let rest = try reader.bytes(at: outcome.end, count: Int(clamping: size - outcome.end))
        let known = max(durable, durableClaimedLater(in: rest, after: outcome.lastSequence))
        guard bad > known else {
            throw EventLogError.damaged(
                "what should be \(bad) is not sound, though everything through \(known) was durable",
                reader.path,
                at: outcome.end
            )
        }
        if let last = rest.lastIndex(where: { $0 != 0 }), !isUnwritten(rest[...last]) {
            outcome.tornBytes = last + 1
            outcome.tornFile = try keep(Array(rest[...last]))
        }
        let file = try DurableFile(path: reader.path, mode: .readWrite, failpoints: failpoints)
        try file.truncate(to: outcome.end)
        try file.sync()
    }

    /// Whether this is the head of padding and no more: space that was allocated behind the unused rest of before, and
    /// never written, is no tail.
    private func isUnwritten(_ bytes: ArraySlice<UInt8>) -> Bool {
        guard bytes.count <= SkippableFrame.headBytes else { return false }
        let head = Array(bytes) + [UInt8](repeating: 0, count: SkippableFrame.headBytes - bytes.count)
        return head.withUnsafeBytes { SkippableFrame.head($0)?.magic == SkippableFrame.paddingMagic }
    }

    /// The greatest `durable through` of any sound header further on: found by what it is, not by trusting a length.
    private func durableClaimedLater(in bytes: [UInt8], after last: SequenceNumber) -> SequenceNumber {
        var durable = SequenceNumber.none
        bytes.withUnsafeBytes { raw in
            var offset = 0
            while raw.count - offset >= BatchHeader.frameBytes {
                defer { offset += 1 }
                guard raw.littleEndian(at: offset, as: UInt32.self) == SkippableFrame.metadataMagic,
                    let header = BatchHeader(UnsafeRawBufferPointer(rebasing: raw[offset...])),
                    header.firstSequence > last
                else { continue }
                durable = max(durable, header.durableThrough)
            }
        }
        return durable
    }

    /// Keeps a torn tail beside the log, for whoever wants to look; never over an earlier one.
    private func keep(_ bytes: [UInt8]) throws -> String {
        var path = reader.path + ".torn"
        var number = 1
        while access(path, F_OK) == 0 {
            number += 1
            path = reader.path + ".torn.\(number)"
        }
        let temporary = path + SegmentFile.temporarySuffix
        do {
            let file = try DurableFile(path: temporary, mode: .create, failpoints: failpoints)
            try bytes.withUnsafeBytes { try file.write($0, at: 0) }
            try file.sync()
        }
        try DurableFile.publish(temporary, as: path, failpoints: failpoints)
        return path
    }

    /// Linux may keep pages readable that a failed sync never put on the disk: what was not known to be durable is
    /// written again, byte for byte, and synced, before anybody trusts it.
    private func makeDurable(_ batches: [Batch], _ outcome: inout Outcome) throws {
        let file = try DurableFile(path: reader.path, mode: .readWrite, failpoints: failpoints)
        for batch in batches {
            let bytes = try reader.bytes(at: batch.offset, count: Int(batch.header.batchBytes))
            try bytes.withUnsafeBytes { try file.write($0, at: batch.offset) }
        }
        try file.sync()
        outcome.rewrittenBatches = batches.count
    }

    /// The same for a footer, and cuts off what was allocated behind it: the last owner may not have come to that.
    private func finishSeal(_ footer: SegmentFooter, _ size: UInt64, _ outcome: inout Outcome) throws {
        let frame = footer.frame
        let end = outcome.end + UInt64(frame.count)
        if !wasClean || size != end {
            let file = try DurableFile(path: reader.path, mode: .readWrite, failpoints: failpoints)
            try frame.withUnsafeBytes { try file.write($0, at: outcome.end) }
            try file.truncate(to: end)
            try file.sync()
        }
        outcome.end = end
        outcome.isSealed = true
    }
}

import OpenSSLCrypto
import RegistryModel

/// The last frame of a sealed segment: where to find batches, and the Merkle root of the log through this segment.
///
/// "HMSf", the number of index entries (4), the last sequence (8), the time of the last event (8), the root (32), then
/// each entry: first sequence (8), time of the first event (8), offset (8); at last the whole frame's length (4), so
/// that the footer can be found from the file's end. Little-endian; the frame's CRC-32C follows. The index is sparse: an
/// entry for every ``spacing`` bytes of the segment.
struct SegmentFooter: Equatable {
    struct Entry: Equatable {
        var firstSequence: SequenceNumber
        var firstTime: Timestamp
        var offset: UInt64
    }

    static let spacing: UInt64 = 16 * 1_024
    private static let fixedBytes = 56
    private static let entryBytes = 24
    /// The length and checksum at the very end.
    static let trailerBytes = 8

    var lastSequence: SequenceNumber
    var lastTime: Timestamp
    var root: SHA256Digest
    var entries: [Entry]

    var frame: [UInt8] {
        var content: [UInt8] = []
        content.append(littleEndian: SkippableFrame.Kind.footer.rawValue)
        content.append(littleEndian: UInt32(clamping: entries.count))
        content.append(littleEndian: lastSequence.rawValue)
        content.append(littleEndian: lastTime.rawValue)
        content.append(contentsOf: root.bytes)
        for entry in entries {
            content.append(littleEndian: entry.firstSequence.rawValue)
            content.append(littleEndian: entry.firstTime.rawValue)
            content.append(littleEndian: entry.offset)
        }
        let total = SkippableFrame.headBytes + content.count + Self.trailerBytes
        content.append(littleEndian: UInt32(clamping: total))
        var frame: [UInt8] = []
        SkippableFrame.append(content, to: &frame)
        return frame
    }

    init(lastSequence: SequenceNumber, lastTime: Timestamp, root: SHA256Digest, entries: [Entry]) {
        self.lastSequence = lastSequence
        self.lastTime = lastTime
        self.root = root
        self.entries = entries
    }

    /// - Parameter frame: from the frame's beginning on.
    init?(_ frame: UnsafeRawBufferPointer) {
        guard let content = SkippableFrame.checkedContent(frame), content.count >= Self.fixedBytes + 4,
            content.littleEndian(at: 0, as: UInt32.self) == SkippableFrame.Kind.footer.rawValue,
            let root = SHA256Digest(UnsafeRawBufferPointer(rebasing: content[24..<56]))
        else { return nil }
        let count = Int(content.littleEndian(at: 4, as: UInt32.self))
        guard content.count == Self.fixedBytes + count * Self.entryBytes + 4 else { return nil }
        lastSequence = SequenceNumber(content.littleEndian(at: 8, as: UInt64.self))
        lastTime = Timestamp(rawValue: content.littleEndian(at: 16, as: Int64.self))
        self.root = root
        entries = (0..<count).map { index in
            let start = Self.fixedBytes + index * Self.entryBytes
            return Entry(
                firstSequence: SequenceNumber(content.littleEndian(at: start, as: UInt64.self)),
                firstTime: Timestamp(rawValue: content.littleEndian(at: start + 8, as: Int64.self)),
                offset: content.littleEndian(at: start + 16, as: UInt64.self)
            )
        }
    }
}

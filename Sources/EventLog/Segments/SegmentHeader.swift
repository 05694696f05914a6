import OpenSSLCrypto
public import RegistryModel

/// Which log this is.
public struct LogIdentity: Sendable, Equatable {
    public var registryID: RegistryID
    public var epoch: Epoch

    public init(registryID: RegistryID, epoch: Epoch) {
        self.registryID = registryID
        self.epoch = epoch
    }
}

/// What a segment belongs to.
public enum LogStream: UInt8, Sendable {
    /// Decisions.
    case log = 1
    /// Heartbeats.
    case beats = 2
}

/// The first frame of a segment.
///
/// | offset | bytes | what |
/// | --- | --- | --- |
/// | 0 | 4 | "HMSs" |
/// | 4 | 2 | format version, 1 |
/// | 6 | 1 | stream |
/// | 7 | 1 | hashes in the frontier |
/// | 8 | 8 | registry id |
/// | 16 | 8 | epoch |
/// | 24 | 8 | first sequence |
/// | 32 | 32 each | Merkle frontier of everything before, the largest subtree first |
///
/// Little-endian; the frame's CRC-32C follows.
struct SegmentHeader: Equatable {
    static let formatVersion: UInt16 = 1
    private static let fixedBytes = 32
    static let maximumBytes = SkippableFrame.headBytes + fixedBytes + 64 * SHA256Digest.byteCount + 4

    var stream: LogStream
    var identity: LogIdentity
    var firstSequence: SequenceNumber
    var frontier: [SHA256Digest]

    var frame: [UInt8] {
        var content: [UInt8] = []
        content.append(littleEndian: SkippableFrame.Kind.segmentHeader.rawValue)
        content.append(littleEndian: Self.formatVersion)
        content.append(stream.rawValue)
        content.append(UInt8(clamping: frontier.count))
        content.append(littleEndian: identity.registryID.rawValue)
        content.append(littleEndian: identity.epoch.rawValue)
        content.append(littleEndian: firstSequence.rawValue)
        for digest in frontier { content.append(contentsOf: digest.bytes) }
        var frame: [UInt8] = []
        SkippableFrame.append(content, to: &frame)
        return frame
    }

    /// - Parameter bytes: from the file's beginning on.
    init?(_ bytes: UnsafeRawBufferPointer) {
        guard let content = SkippableFrame.checkedContent(bytes), content.count >= Self.fixedBytes,
            content.littleEndian(at: 0, as: UInt32.self) == SkippableFrame.Kind.segmentHeader.rawValue,
            content.littleEndian(at: 4, as: UInt16.self) == Self.formatVersion,
            let stream = LogStream(rawValue: content[6])
        else { return nil }
        let hashes = Int(content[7])
        guard content.count == Self.fixedBytes + hashes * SHA256Digest.byteCount else { return nil }
        self.init(
            stream: stream,
            identity: LogIdentity(
                registryID: RegistryID(rawValue: content.littleEndian(at: 8, as: UInt64.self)),
                epoch: Epoch(rawValue: content.littleEndian(at: 16, as: UInt64.self))
            ),
            firstSequence: SequenceNumber(content.littleEndian(at: 24, as: UInt64.self)),
            frontier: (0..<hashes).compactMap { index in
                let start = Self.fixedBytes + index * SHA256Digest.byteCount
                return SHA256Digest(
                    UnsafeRawBufferPointer(rebasing: content[start..<start + SHA256Digest.byteCount])
                )
            }
        )
    }

    init(stream: LogStream, identity: LogIdentity, firstSequence: SequenceNumber, frontier: [SHA256Digest]) {
        self.stream = stream
        self.identity = identity
        self.firstSequence = firstSequence
        self.frontier = frontier
    }
}

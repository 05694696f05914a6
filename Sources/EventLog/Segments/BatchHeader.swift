import RegistryModel

/// The frame before each batch's zstd frame.
///
/// | offset | bytes | what |
/// | --- | --- | --- |
/// | 0 | 4 | "HMSb" |
/// | 4 | 4 | events |
/// | 8 | 8 | first sequence |
/// | 16 | 8 | time of the first event, Unix nanoseconds |
/// | 24 | 8 | time of the last event |
/// | 32 | 4 | length of the zstd frame |
/// | 36 | 4 | length of what it holds |
/// | 40 | 8 | durable through: the last sequence known to be synced when this was written |
///
/// Little-endian; the frame's CRC-32C follows.
struct BatchHeader: Equatable {
    static let contentBytes = 48
    static let frameBytes = SkippableFrame.headBytes + contentBytes + 4
    /// No batch is longer than this, before or after compression: a length beyond it is a lie.
    static let maximumPayloadBytes = 64 * 1_024 * 1_024

    var firstSequence: SequenceNumber
    var eventCount: UInt32
    var firstTime: Timestamp
    var lastTime: Timestamp
    var compressedBytes: UInt32
    var rawBytes: UInt32
    var durableThrough: SequenceNumber

    var lastSequence: SequenceNumber {
        firstSequence.advanced(by: Int(eventCount) - 1)
    }

    /// Header and payload together.
    var batchBytes: UInt64 {
        UInt64(Self.frameBytes) + UInt64(compressedBytes)
    }

    func append(to bytes: inout [UInt8]) {
        var content: [UInt8] = []
        content.reserveCapacity(Self.contentBytes)
        content.append(littleEndian: SkippableFrame.Kind.batchHeader.rawValue)
        content.append(littleEndian: eventCount)
        content.append(littleEndian: firstSequence.rawValue)
        content.append(littleEndian: firstTime.rawValue)
        content.append(littleEndian: lastTime.rawValue)
        content.append(littleEndian: compressedBytes)
        content.append(littleEndian: rawBytes)
        content.append(littleEndian: durableThrough.rawValue)
        SkippableFrame.append(content, to: &bytes)
    }

    init(
        firstSequence: SequenceNumber,
        eventCount: UInt32,
        firstTime: Timestamp,
        lastTime: Timestamp,
        compressedBytes: UInt32,
        rawBytes: UInt32,
        durableThrough: SequenceNumber
    ) {
        self.firstSequence = firstSequence
        self.eventCount = eventCount
        self.firstTime = firstTime
        self.lastTime = lastTime
        self.compressedBytes = compressedBytes
        self.rawBytes = rawBytes
        self.durableThrough = durableThrough
    }

    /// - Parameter bytes: from the frame's beginning on.
    /// - Returns: nil where they are no sound header, whatever else they are.
    init?(_ bytes: UnsafeRawBufferPointer) {
        guard bytes.count >= Self.frameBytes,
            let content = SkippableFrame.checkedContent(UnsafeRawBufferPointer(rebasing: bytes[..<Self.frameBytes])),
            content.count == Self.contentBytes,
            content.littleEndian(at: 0, as: UInt32.self) == SkippableFrame.Kind.batchHeader.rawValue
        else { return nil }
        self.init(
            firstSequence: SequenceNumber(content.littleEndian(at: 8, as: UInt64.self)),
            eventCount: content.littleEndian(at: 4, as: UInt32.self),
            firstTime: Timestamp(rawValue: content.littleEndian(at: 16, as: Int64.self)),
            lastTime: Timestamp(rawValue: content.littleEndian(at: 24, as: Int64.self)),
            compressedBytes: content.littleEndian(at: 32, as: UInt32.self),
            rawBytes: content.littleEndian(at: 36, as: UInt32.self),
            durableThrough: SequenceNumber(content.littleEndian(at: 40, as: UInt64.self))
        )
        guard eventCount > 0, compressedBytes > 0, compressedBytes <= Self.maximumPayloadBytes,
            rawBytes <= Self.maximumPayloadBytes,
            firstSequence.rawValue <= UInt64.max / 2
        else { return nil }
    }
}

import OpenSSLCrypto
import RegistryModel

/// Reads one segment, frame by frame. Recovery, replay and followers all read by it; it changes nothing.
final class SegmentReader {
    /// What begins at an offset.
    enum Frame {
        case batch(BatchHeader)
        /// Unused space up to the file's end.
        case padding
        case footer(SegmentFooter)
        /// The file ends here.
        case end
        /// Nothing that this writes.
        case unsound
    }

    let path: String
    let header: SegmentHeader
    /// Where the first batch begins.
    let start: UInt64
    private let file: DurableFile
    private let decompressor: ZstdDecompressor
    private var buffer: [UInt8] = []

    /// - Throws: `damaged` where there is no sound header: a segment with a name always has one.
    convenience init(
        directory: String,
        first: SequenceNumber,
        decompressor: ZstdDecompressor
    ) throws(EventLogError) {
        let path = directory + "/" + SegmentFile.name(first)
        try self.init(path: path, first: first, decompressor: decompressor)
    }

    init(path: String, first: SequenceNumber, decompressor: ZstdDecompressor) throws(EventLogError) {
        self.path = path
        file = try DurableFile(path: path, mode: .readOnly)
        self.decompressor = decompressor
        buffer = [UInt8](repeating: 0, count: SegmentHeader.maximumBytes)
        let count = try Self.read(file, into: &buffer, at: 0, count: buffer.count)
        let found = buffer.withUnsafeBytes { SegmentHeader(UnsafeRawBufferPointer(rebasing: $0[..<count])) }
        guard let found, found.firstSequence == first else {
            throw .damaged("there is no segment header of \(first)", path, at: 0)
        }
        header = found
        start = UInt64(found.frame.count)
    }

    func size() throws(EventLogError) -> UInt64 {
        try file.size()
    }

    /// What begins at `offset`, by its head alone.
    func frame(at offset: UInt64, fileSize: UInt64) throws(EventLogError) -> Frame {
        guard offset < fileSize else { return .end }
        let count = try read(at: offset, count: BatchHeader.frameBytes)
        let (head, batch) = buffer.withUnsafeBytes { bytes in
            let bytes = UnsafeRawBufferPointer(rebasing: bytes[..<count])
            return (SkippableFrame.head(bytes), BatchHeader(bytes))
        }
        if let batch { return .batch(batch) }
        guard let head else { return .unsound }
        let length = UInt64(SkippableFrame.headBytes) + UInt64(head.contentBytes)
        guard length <= fileSize - offset else { return .unsound }
        if head.magic == SkippableFrame.paddingMagic {
            return offset + length == fileSize ? .padding : .unsound
        }
        guard length <= UInt64(BatchHeader.maximumPayloadBytes) else { return .unsound }
        let read = try read(at: offset, count: Int(length))
        let footer = buffer.withUnsafeBytes { SegmentFooter(UnsafeRawBufferPointer(rebasing: $0[..<read])) }
        return footer.map { .footer($0) } ?? .unsound
    }

    /// Shows each event's bytes of a batch, in order, until `body` returns false.
    ///
    /// - Returns: false where the payload is not what its header says; some events may have been shown.
    func forEachEvent(
        of batch: BatchHeader,
        at offset: UInt64,
        _ body: (UnsafeRawBufferPointer) throws -> Bool
    ) throws -> Bool {
        let length = Int(batch.compressedBytes)
        guard try read(at: offset + UInt64(BatchHeader.frameBytes), count: length) == length else { return false }
        let isSound = try buffer.withUnsafeBytes { bytes -> Bool? in
            let frame = UnsafeRawBufferPointer(rebasing: bytes[..<length])
            return try decompressor.decompress(frame, expected: Int(batch.rawBytes)) { payload in
                try BatchPayload.forEach(payload, body)
            }
        }
        return isSound ?? false
    }

    /// Whether a batch's payload is whole and its events are those that the header names; each that is decoded is shown.
    func check(
        _ batch: BatchHeader,
        at offset: UInt64,
        isDecoded: (UnsafeRawBufferPointer) -> Bool = { _ in true },
        _ body: (Event, UnsafeRawBufferPointer) throws -> Void
    ) throws -> Bool {
        var expected = batch.firstSequence
        var isSound = true
        let isWhole = try forEachEvent(of: batch, at: offset) { bytes in
            defer { expected = expected.next }
            guard isDecoded(bytes) else { return true }
            guard let event = try? Event(serialized: bytes), event.sequence == expected else {
                isSound = false
                return false
            }
            try body(event, bytes)
            return true
        }
        return isWhole && isSound && expected == batch.lastSequence.next
    }

    /// The footer of a sealed segment, found from its end.
    func footer() throws(EventLogError) -> (footer: SegmentFooter, offset: UInt64)? {
        let size = try file.size()
        guard size > start + UInt64(SegmentFooter.trailerBytes) else { return nil }
        let count = try read(at: size - UInt64(SegmentFooter.trailerBytes), count: 4)
        guard count == 4 else { return nil }
        let length = UInt64(buffer.withUnsafeBytes { $0.littleEndian(at: 0, as: UInt32.self) })
        guard length >= UInt64(SkippableFrame.headBytes), length <= size - start else { return nil }
        guard case .footer(let footer) = try frame(at: size - length, fileSize: size) else { return nil }
        return (footer, size - length)
    }

    /// The file's bytes from `offset` on.
    func bytes(at offset: UInt64, count: Int) throws(EventLogError) -> [UInt8] {
        let read = try read(at: offset, count: count)
        return Array(buffer[..<read])
    }

    private func read(at offset: UInt64, count: Int) throws(EventLogError) -> Int {
        if buffer.count < count { buffer = [UInt8](repeating: 0, count: count) }
        return try Self.read(file, into: &buffer, at: offset, count: count)
    }

    private static func read(
        _ file: DurableFile,
        into buffer: inout [UInt8],
        at offset: UInt64,
        count: Int
    ) throws(EventLogError) -> Int {
        let result = buffer.withUnsafeMutableBytes { bytes -> Result<Int, EventLogError> in
            do throws(EventLogError) {
                return .success(
                    try file.read(into: UnsafeMutableRawBufferPointer(rebasing: bytes[..<count]), at: offset)
                )
            } catch {
                return .failure(error)
            }
        }
        return try result.get()
    }
}

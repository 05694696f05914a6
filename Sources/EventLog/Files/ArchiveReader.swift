import CZstd

/// Reads what ``ArchiveWriter`` wrote, entry by entry; bounded in memory whatever the file claims.
public final class ArchiveReader {
    public struct Entry: Sendable, Equatable {
        public var name: String
        public var size: UInt64
    }

    private let file: DurableFile
    private let path: String
    private let context: OpaquePointer
    private var offset: UInt64 = 0
    private var input: [UInt8] = []
    private var consumed = 0
    private var decoded = [UInt8](repeating: 0, count: ZSTD_DStreamOutSize())
    /// Of the bytes in `decoded` those that were not shown yet.
    private var unread = 0..<0
    /// The compressed frame has ended, and its checksum was right.
    private var isAtEnd = false

    public init(path: String) throws(EventLogError) {
        self.path = path
        file = try DurableFile(path: path, mode: .readOnly)
        guard let context = ZSTD_createDCtx() else { throw EventLogError(.codec, "zstd has no memory") }
        self.context = context
    }

    deinit {
        ZSTD_freeDCtx(context)
    }

    /// The next entry; nil at the archive's end. What is left of the one before must have been read.
    ///
    /// - Throws: `damaged` where what is there is no archive of this kind.
    public func next() throws(EventLogError) -> Entry? {
        let block = try read(TarHeader.blockBytes)
        if block.allSatisfy({ $0 == 0 }) {
            try finish()
            return nil
        }
        guard let header = TarHeader(block) else { throw damaged("it holds no tar header where one should be") }
        return Entry(name: header.name, size: header.size)
    }

    /// Behind the last entry stand one more empty block and the frame's checksum, and nothing else.
    private func finish() throws(EventLogError) {
        guard try read(TarHeader.blockBytes).allSatisfy({ $0 == 0 }) else {
            throw damaged("something stands behind its last file")
        }
        while !isAtEnd, unread.isEmpty { try decode() }
        let size = try file.size()
        guard unread.isEmpty, consumed == input.count, offset == size else {
            throw damaged("something stands behind its end")
        }
    }

    /// Shows an entry's content in pieces, each valid for the time of the call.
    public func content(of entry: Entry, _ body: (UnsafeRawBufferPointer) throws -> Void) throws {
        var rest = entry.size
        while rest > 0 {
            let piece = try next(Int(clamping: rest))
            try decoded.withUnsafeBytes { try body(UnsafeRawBufferPointer(rebasing: $0[piece])) }
            rest -= UInt64(piece.count)
        }
        let over = Int(entry.size % UInt64(TarHeader.blockBytes))
        if over > 0 { _ = try read(TarHeader.blockBytes - over) }
    }

    private func read(_ count: Int) throws(EventLogError) -> [UInt8] {
        var bytes: [UInt8] = []
        while bytes.count < count { bytes += decoded[try next(count - bytes.count)] }
        return bytes
    }

    /// Where the next bytes are, one at least and at most so many; they count as read.
    private func next(_ most: Int) throws(EventLogError) -> Range<Int> {
        while unread.isEmpty {
            guard !isAtEnd else { throw damaged("it ends too early") }
            try decode()
        }
        let piece = unread.prefix(most)
        unread = piece.upperBound..<unread.upperBound
        return piece
    }

    /// Fills what was all read.
    private func decode() throws(EventLogError) {
        if consumed == input.count {
            input = try file.bytes(at: offset, count: 256 * 1_024)
            consumed = 0
            offset += UInt64(input.count)
            guard !input.isEmpty else { throw damaged("it ends too early") }
        }
        let (result, produced) = step()
        guard ZSTD_isError(result) == 0 else { throw damaged("its compressed data is not sound") }
        isAtEnd = result == 0
        unread = 0..<produced
    }

    private func step() -> (Int, Int) {
        input.withUnsafeBytes { source in
            decoded.withUnsafeMutableBytes { target in
                var from = ZSTD_inBuffer(src: source.baseAddress, size: source.count, pos: consumed)
                var room = ZSTD_outBuffer(dst: target.baseAddress, size: target.count, pos: 0)
                let result = ZSTD_decompressStream(context, &room, &from)
                consumed = from.pos
                return (result, room.pos)
            }
        }
    }

    private func damaged(_ what: String) -> EventLogError {
        EventLogError(.damaged, "\(path) is no whole snapshot: \(what)", path: path, offset: offset)
    }
}

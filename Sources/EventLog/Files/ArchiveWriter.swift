import CZstd

/// Writes a `.tar.zst` that ordinary `tar` lists (POSIX.1-1988 ustar inside one zstd frame), in memory of a few hundred
/// kilobytes. Not thread safe: one owner.
public final class ArchiveWriter {
    private static let level: Int32 = 3

    private let file: DurableFile
    private let context: OpaquePointer
    private var offset: UInt64 = 0
    private var output: [UInt8]

    /// - Throws: `file-failed` where the file can't be made.
    public init(path: String) throws(EventLogError) {
        file = try DurableFile(path: path, mode: .create)
        guard let context = ZSTD_createCCtx() else { throw EventLogError(.codec, "zstd has no memory") }
        self.context = context
        output = [UInt8](repeating: 0, count: ZSTD_CStreamOutSize())
        for (parameter, value) in [(ZSTD_c_compressionLevel, Self.level), (ZSTD_c_checksumFlag, 1)] {
            guard ZSTD_isError(ZSTD_CCtx_setParameter(context, parameter, value)) == 0 else {
                throw EventLogError(.codec, "zstd refuses its parameters")
            }
        }
    }

    deinit {
        ZSTD_freeCCtx(context)
    }

    /// Adds a file of these bytes.
    public func add(_ name: String, _ bytes: [UInt8]) throws(EventLogError) {
        try write(TarHeader(name: name, size: UInt64(bytes.count)).block)
        try write(bytes)
        try pad(UInt64(bytes.count))
    }

    /// Adds the first `size` bytes of a file.
    public func add(_ name: String, contentsOf path: String, size: UInt64) throws(EventLogError) {
        try write(TarHeader(name: name, size: size).block)
        let source = try DurableFile(path: path, mode: .readOnly)
        var done: UInt64 = 0
        while done < size {
            let bytes = try source.bytes(at: done, count: Int(min(size - done, 256 * 1_024)))
            guard !bytes.isEmpty else {
                throw EventLogError(.fileFailed, "\(path) became shorter while it was read", path: path)
            }
            try write(bytes)
            done += UInt64(bytes.count)
        }
        try pad(size)
    }

    /// Ends the archive, and puts it on the disk. Nothing may be added afterwards.
    public func finish() throws(EventLogError) {
        try write([UInt8](repeating: 0, count: 2 * TarHeader.blockBytes))
        try compress([], ZSTD_e_end)
        try file.sync()
    }

    private func pad(_ size: UInt64) throws(EventLogError) {
        let rest = Int(size % UInt64(TarHeader.blockBytes))
        if rest > 0 { try write([UInt8](repeating: 0, count: TarHeader.blockBytes - rest)) }
    }

    private func write(_ bytes: [UInt8]) throws(EventLogError) {
        try compress(bytes, ZSTD_e_continue)
    }

    private func compress(_ bytes: [UInt8], _ directive: ZSTD_EndDirective) throws(EventLogError) {
        var consumed = 0
        var isDone = false
        while !isDone {
            var produced = 0
            let rest = step(bytes, &consumed, &produced, directive)
            guard ZSTD_isError(rest) == 0 else {
                throw EventLogError(.codec, "zstd: \(String(cString: ZSTD_getErrorName(rest)))")
            }
            try file.writeAll(output[..<produced], at: offset)
            offset += UInt64(produced)
            isDone = directive == ZSTD_e_end ? rest == 0 : consumed == bytes.count
        }
    }

    private func step(
        _ bytes: [UInt8],
        _ consumed: inout Int,
        _ produced: inout Int,
        _ directive: ZSTD_EndDirective
    ) -> Int {
        bytes.withUnsafeBytes { source in
            output.withUnsafeMutableBytes { target in
                var input = ZSTD_inBuffer(src: source.baseAddress, size: source.count, pos: consumed)
                var room = ZSTD_outBuffer(dst: target.baseAddress, size: target.count, pos: 0)
                let rest = ZSTD_compressStream2(context, &room, &input, directive)
                consumed = input.pos
                produced = room.pos
                return rest
            }
        }
    }
}

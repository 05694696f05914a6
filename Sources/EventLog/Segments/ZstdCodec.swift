import CZstd

/// Compresses batches, each one zstd frame with its content's size and checksum, into one buffer that is used again.
final class ZstdCompressor {
    private let context: OpaquePointer
    private var buffer: [UInt8] = []

    init(level: Int32) throws(EventLogError) {
        guard let context = ZSTD_createCCtx() else { throw EventLogError(.codec, "zstd has no memory") }
        self.context = context
        for (parameter, value) in [
            (ZSTD_c_compressionLevel, level), (ZSTD_c_contentSizeFlag, 1), (ZSTD_c_checksumFlag, 1),
        ] {
            try check(ZSTD_CCtx_setParameter(context, parameter, value))
        }
    }

    deinit {
        ZSTD_freeCCtx(context)
    }

    /// Appends the compressed form of `bytes`; returns its length.
    func append(_ bytes: [UInt8], to output: inout [UInt8]) throws(EventLogError) -> Int {
        let bound = ZSTD_compressBound(bytes.count)
        if buffer.count < bound { buffer = [UInt8](repeating: 0, count: bound) }
        let count = try check(ZSTD_compress2(context, &buffer, buffer.count, bytes, bytes.count))
        output.append(contentsOf: buffer[..<count])
        return count
    }
}

/// Decompresses batches, one after the other, into one buffer that is used again.
final class ZstdDecompressor {
    private let context: OpaquePointer
    private var buffer: [UInt8] = []

    init() throws(EventLogError) {
        guard let context = ZSTD_createDCtx() else { throw EventLogError(.codec, "zstd has no memory") }
        self.context = context
    }

    deinit {
        ZSTD_freeDCtx(context)
    }

    /// Shows what one frame holds; valid for the time of `body`.
    ///
    /// - Parameter expected: how long it must be.
    /// - Returns: nil where the frame is not sound or holds another length.
    func decompress<R>(
        _ frame: UnsafeRawBufferPointer,
        expected: Int,
        _ body: (UnsafeRawBufferPointer) throws -> R
    ) rethrows -> R? {
        if buffer.count < expected { buffer = [UInt8](repeating: 0, count: expected) }
        let count = ZSTD_decompressDCtx(context, &buffer, buffer.count, frame.baseAddress, frame.count)
        guard ZSTD_isError(count) == 0, count == expected else { return nil }
        return try buffer.withUnsafeBytes { try body(UnsafeRawBufferPointer(rebasing: $0[..<count])) }
    }
}

@discardableResult
private func check(_ result: Int) throws(EventLogError) -> Int {
    guard ZSTD_isError(result) == 0 else {
        throw EventLogError(.codec, "zstd: \(String(cString: ZSTD_getErrorName(result)))")
    }
    return result
}

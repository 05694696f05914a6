import Glibc
public import OpenSSLCrypto

extension DurableFile {
    /// Up to `count` bytes; fewer at the file's end.
    func bytes(at offset: UInt64, count: Int) throws(EventLogError) -> [UInt8] {
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: max(1, count), alignment: 16)
        defer { buffer.deallocate() }
        let read = try read(into: UnsafeMutableRawBufferPointer(rebasing: buffer[..<count]), at: offset)
        return [UInt8](UnsafeRawBufferPointer(rebasing: buffer[..<read]))
    }

    func writeAll(_ bytes: ArraySlice<UInt8>, at offset: UInt64) throws(EventLogError) {
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: max(1, bytes.count), alignment: 16)
        defer { buffer.deallocate() }
        buffer.copyBytes(from: bytes)
        try write(UnsafeRawBufferPointer(rebasing: buffer[..<bytes.count]), at: offset)
    }

    /// Hash of the first `size` bytes.
    func sha256(size: UInt64) throws(EventLogError) -> SHA256Digest {
        let hasher = try crypto { () throws(OpenSSLError) in try SHA256Hasher() }
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 256 * 1_024, alignment: 16)
        defer { buffer.deallocate() }
        var done: UInt64 = 0
        while done < size {
            let wanted = Int(min(size - done, UInt64(buffer.count)))
            let count = try read(into: UnsafeMutableRawBufferPointer(rebasing: buffer[..<wanted]), at: done)
            if count == 0 { break }
            hasher.update(UnsafeRawBufferPointer(rebasing: buffer[..<count]))
            done += UInt64(count)
        }
        return hasher.finalize()
    }
}

/// Hashes of whole files.
public enum FileHash {
    public static func sha256(of path: String, size: UInt64? = nil) throws(EventLogError) -> SHA256Digest {
        let file = try DurableFile(path: path, mode: .readOnly)
        guard let size else { return try file.sha256(size: try file.size()) }
        return try file.sha256(size: size)
    }
}

extension FileHash {
    public static func size(of path: String) throws(EventLogError) -> UInt64 {
        try DurableFile(path: path, mode: .readOnly).size()
    }
}

/// A file that is written from its beginning to its end, hashed on the way, and synced.
public final class OutputFile {
    private let file: DurableFile
    private let hasher: SHA256Hasher
    private var offset: UInt64 = 0

    public init(path: String) throws(EventLogError) {
        file = try DurableFile(path: path, mode: .create)
        hasher = try crypto { () throws(OpenSSLError) in try SHA256Hasher() }
    }

    public func write(_ bytes: UnsafeRawBufferPointer) throws(EventLogError) {
        try file.write(bytes, at: offset)
        hasher.update(bytes)
        offset += UInt64(bytes.count)
    }

    /// Puts it on the disk.
    ///
    /// - Returns: the hash of everything written.
    public func finish() throws(EventLogError) -> SHA256Digest {
        try file.sync()
        return hasher.finalize()
    }
}

/// A file that is only ever made longer: a copy that comes in pieces, and goes on where it ended.
public final class GrowingFile {
    private let file: DurableFile
    public private(set) var size: UInt64

    /// Opens it, or makes an empty one.
    public init(path: String) throws(EventLogError) {
        file = try DurableFile(path: path, mode: access(path, F_OK) == 0 ? .readWrite : .create)
        size = try file.size()
    }

    public func append(_ bytes: [UInt8]) throws(EventLogError) {
        try file.writeAll(bytes[...], at: size)
        size += UInt64(bytes.count)
    }

    public func sync() throws(EventLogError) {
        try file.sync()
    }
}

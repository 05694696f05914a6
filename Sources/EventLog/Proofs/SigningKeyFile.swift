import Glibc
public import OpenSSLCrypto

/// The key that checkpoints are signed with, in a file of its own: PKCS#8 in PEM (RFC 8410), which `openssl pkey` reads.
public enum SigningKeyFile {
    private static let header = "-----BEGIN PRIVATE KEY-----"
    private static let footer = "-----END PRIVATE KEY-----"
    /// Version 0, Ed25519, and the head of the 32 bytes that follow.
    private static let prefix: [UInt8] = [
        0x30, 0x2E, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2B, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20,
    ]

    /// The key in `path`, or a new one that is put there, mode 0600, for good before this returns.
    ///
    /// - Throws: `file-failed` where it can't be read or made, `malformed` where it is no such key.
    public static func loadOrMake(_ path: String) throws(EventLogError) -> SigningKey {
        if access(path, F_OK) == 0 { return try load(path) }
        return try make(path)
    }

    /// A new one, in place of any that is there.
    public static func make(_ path: String) throws(EventLogError) -> SigningKey {
        let key = try crypto { () throws(OpenSSLError) in try SigningKey.generate() }
        let seed = try crypto { () throws(OpenSSLError) in try key.seed() }
        let pem = "\(header)\n\(Base64.encode(prefix + seed))\n\(footer)\n"
        try SmallFile.publish(pem, as: path)
        return key
    }

    public static func load(_ path: String) throws(EventLogError) -> SigningKey {
        let lines = try SmallFile.read(path).split(separator: "\n")
        guard lines.first == header[...], lines.last == footer[...],
            let bytes = Base64.decode(lines.dropFirst().dropLast().joined()), bytes.count == prefix.count + 32,
            bytes.starts(with: prefix)
        else { throw EventLogError(.malformed, "\(path) holds no Ed25519 key in PEM", path: path) }
        return try crypto { () throws(OpenSSLError) in try SigningKey(seed: Array(bytes[prefix.count...])) }
    }
}

/// Files of a page: notes, keys, proofs.
public enum SmallFile {
    private static let maximumBytes = 1_024 * 1_024

    public static func read(_ path: String) throws(EventLogError) -> String {
        let file = try DurableFile(path: path, mode: .readOnly)
        guard try file.size() <= UInt64(maximumBytes) else {
            throw EventLogError(.malformed, "\(path) is too long to be a note, key or proof", path: path)
        }
        let size = Int(try file.size())
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: size, alignment: 1)
        defer { buffer.deallocate() }
        let count = try file.read(into: buffer, at: 0)
        guard let text = String(validating: UnsafeRawBufferPointer(rebasing: buffer[..<count]), as: UTF8.self) else {
            throw EventLogError(.malformed, "\(path) is no text", path: path)
        }
        return text
    }

    /// Writes a file under a temporary name, syncs it, and gives it its name for good: whoever reads `path` sees the
    /// old text or the new.
    public static func publish(_ text: String, as path: String) throws(EventLogError) {
        let temporary = path + ".new"
        try write(text, to: try DurableFile(path: temporary, mode: .create))
        try DurableFile.publish(temporary, as: path, failpoints: nil)
    }

    /// The same for a file that must not be there yet.
    public static func create(_ text: String, at path: String) throws(EventLogError) {
        guard access(path, F_OK) != 0 else {
            throw EventLogError(.fileFailed, "\(path) is there already; nothing was changed", path: path, errno: EEXIST)
        }
        try publish(text, as: path)
    }

    /// Gives a finished file its name, for good.
    public static func rename(_ from: String, to path: String) throws(EventLogError) {
        try DurableFile.publish(from, as: path, failpoints: nil)
    }

    private static func write(_ text: String, to file: DurableFile) throws(EventLogError) {
        let bytes = Array(text.utf8)
        let written = bytes.withUnsafeBytes { raw -> Result<Void, EventLogError> in
            Result { () throws(EventLogError) in try file.write(raw, at: 0) }
        }
        try written.get()
        try file.sync()
    }
}

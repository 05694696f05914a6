import COpenSSL

/// A SHA-256 digest (FIPS 180-4): 32 bytes.
public struct SHA256Digest: Hashable, Sendable, CustomStringConvertible {
    public static let byteCount = 32

    // Four words hold 32 bytes without an allocation.
    private let words: (UInt64, UInt64, UInt64, UInt64)

    /// - Returns: nil where there are not 32 bytes.
    public init?(_ bytes: UnsafeRawBufferPointer) {
        guard bytes.count == Self.byteCount else { return nil }
        words = bytes.loadUnaligned(as: (UInt64, UInt64, UInt64, UInt64).self)
    }

    fileprivate init(words: (UInt64, UInt64, UInt64, UInt64)) {
        self.words = words
    }

    public func withUnsafeBytes<R>(_ body: (UnsafeRawBufferPointer) throws -> R) rethrows -> R {
        try Swift.withUnsafeBytes(of: words, body)
    }

    public var bytes: [UInt8] {
        withUnsafeBytes { [UInt8]($0) }
    }

    /// Lower-case hexadecimal.
    public var description: String {
        var text = ""
        for byte in bytes {
            text += String(byte >> 4, radix: 16) + String(byte & 15, radix: 16)
        }
        return text
    }

    public static func == (lhs: SHA256Digest, rhs: SHA256Digest) -> Bool {
        lhs.words == rhs.words
    }

    public func hash(into hasher: inout Hasher) {
        hasher.combine(words.0)
    }
}

/// Hashes with one context that is used again and again: a fresh one would cost more than hashing an event.
///
/// Not thread safe: one owner.
public final class SHA256Hasher {
    private let context: OpaquePointer
    private let algorithm: OpaquePointer

    /// - Throws: where the provider that OpenSSL is configured with has no SHA-256.
    public init() throws(OpenSSLError) {
        guard let algorithm = EVP_MD_fetch(nil, "SHA256", nil) else { throw OpenSSLError.latest("EVP_MD_fetch") }
        guard let context = EVP_MD_CTX_new() else {
            EVP_MD_free(algorithm)
            throw OpenSSLError.latest("EVP_MD_CTX_new")
        }
        self.algorithm = algorithm
        self.context = context
        guard EVP_DigestInit_ex2(context, algorithm, nil) == 1 else {
            throw OpenSSLError.latest("EVP_DigestInit_ex2")
        }
    }

    deinit {
        EVP_MD_CTX_free(context)
        EVP_MD_free(algorithm)
    }

    public func update(_ bytes: UnsafeRawBufferPointer) {
        let result = EVP_DigestUpdate(context, bytes.baseAddress, bytes.count)
        precondition(result == 1, "hashing memory fails only on a context that was not begun")
    }

    public func update(_ byte: UInt8) {
        withUnsafeBytes(of: byte) { update($0) }
    }

    public func update(_ digest: SHA256Digest) {
        digest.withUnsafeBytes { update($0) }
    }

    /// The digest of everything since the last one; begins anew.
    public func finalize() -> SHA256Digest {
        var words: (UInt64, UInt64, UInt64, UInt64) = (0, 0, 0, 0)
        let result = withUnsafeMutableBytes(of: &words) { bytes in
            EVP_DigestFinal_ex(context, bytes.bindMemory(to: UInt8.self).baseAddress, nil)
        }
        precondition(result == 1, "hashing memory fails only on a context that was not begun")
        precondition(EVP_DigestInit_ex2(context, algorithm, nil) == 1, "a context that worked begins anew")
        return SHA256Digest(words: words)
    }
}

extension SHA256Digest {
    /// Of some bytes at once.
    public static func of(_ bytes: [UInt8]) throws(OpenSSLError) -> SHA256Digest {
        let hasher = try SHA256Hasher()
        bytes.withUnsafeBytes { hasher.update($0) }
        return hasher.finalize()
    }

    /// - Returns: nil where there are not 32 bytes.
    public init?(_ bytes: [UInt8]) {
        guard let digest = bytes.withUnsafeBytes({ SHA256Digest($0) }) else { return nil }
        self = digest
    }
}

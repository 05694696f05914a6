import COpenSSL

/// An Ed25519 private key (RFC 8032), held by OpenSSL.
///
/// Signing makes a context of its own each time: safe to share between threads.
public final class SigningKey: @unchecked Sendable {  // only read after `init`; EVP_PKEY counts references atomically
    private let key: OpaquePointer
    public let publicKey: VerifyingKey

    /// A fresh one, from OpenSSL's own random numbers.
    public static func generate() throws(OpenSSLError) -> SigningKey {
        guard let context = EVP_PKEY_CTX_new_from_name(nil, "ED25519", nil) else {
            throw OpenSSLError.latest("EVP_PKEY_CTX_new_from_name")
        }
        defer { EVP_PKEY_CTX_free(context) }
        guard EVP_PKEY_keygen_init(context) == 1 else { throw OpenSSLError.latest("EVP_PKEY_keygen_init") }
        var made: OpaquePointer?
        guard EVP_PKEY_generate(context, &made) == 1, let made else { throw OpenSSLError.latest("EVP_PKEY_generate") }
        return try SigningKey(owning: made)
    }

    /// - Parameter seed: the 32 bytes of RFC 8032's private key.
    public convenience init(seed: [UInt8]) throws(OpenSSLError) {
        guard let made = EVP_PKEY_new_raw_private_key_ex(nil, "ED25519", nil, seed, seed.count) else {
            throw OpenSSLError.latest("EVP_PKEY_new_raw_private_key_ex")
        }
        try self.init(owning: made)
    }

    private init(owning key: OpaquePointer) throws(OpenSSLError) {
        self.key = key
        var bytes = [UInt8](repeating: 0, count: VerifyingKey.byteCount)
        var count = bytes.count
        guard EVP_PKEY_get_raw_public_key(key, &bytes, &count) == 1, let publicKey = VerifyingKey(bytes) else {
            let error = OpenSSLError.latest("EVP_PKEY_get_raw_public_key")
            EVP_PKEY_free(key)
            throw error
        }
        self.publicKey = publicKey
    }

    deinit {
        EVP_PKEY_free(key)
    }

    /// The 32 bytes to keep secret.
    public func seed() throws(OpenSSLError) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: 32)
        var count = bytes.count
        guard EVP_PKEY_get_raw_private_key(key, &bytes, &count) == 1 else {
            throw OpenSSLError.latest("EVP_PKEY_get_raw_private_key")
        }
        return bytes
    }

    /// 64 bytes, the same for the same message.
    public func signature(of message: [UInt8]) throws(OpenSSLError) -> [UInt8] {
        guard let context = EVP_MD_CTX_new() else { throw OpenSSLError.latest("EVP_MD_CTX_new") }
        defer { EVP_MD_CTX_free(context) }
        guard EVP_DigestSignInit_ex(context, nil, nil, nil, nil, key, nil) == 1 else {
            throw OpenSSLError.latest("EVP_DigestSignInit_ex")
        }
        var signature = [UInt8](repeating: 0, count: VerifyingKey.signatureBytes)
        var count = signature.count
        guard EVP_DigestSign(context, &signature, &count, message, message.count) == 1, count == signature.count else {
            throw OpenSSLError.latest("EVP_DigestSign")
        }
        return signature
    }
}

/// An Ed25519 public key: 32 bytes.
public struct VerifyingKey: Sendable, Hashable {
    public static let byteCount = 32
    public static let signatureBytes = 64

    public let bytes: [UInt8]

    /// - Returns: nil where there are not 32 bytes.
    public init?(_ bytes: [UInt8]) {
        guard bytes.count == Self.byteCount else { return nil }
        self.bytes = bytes
    }

    /// Whether the signature is this key's for the message. False for a key that is no point of the curve, too.
    public func isValid(_ signature: [UInt8], for message: [UInt8]) -> Bool {
        guard signature.count == Self.signatureBytes,
            let key = EVP_PKEY_new_raw_public_key_ex(nil, "ED25519", nil, bytes, bytes.count)
        else { return false }
        defer { EVP_PKEY_free(key) }
        guard let context = EVP_MD_CTX_new() else { return false }
        defer { EVP_MD_CTX_free(context) }
        guard EVP_DigestVerifyInit_ex(context, nil, nil, nil, nil, key, nil) == 1 else { return false }
        let result = EVP_DigestVerify(context, signature, signature.count, message, message.count)
        // A refusal leaves its reasons on this thread's queue.
        ERR_clear_error()
        return result == 1
    }
}

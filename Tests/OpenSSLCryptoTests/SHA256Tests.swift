import OpenSSLCrypto
import Testing

@Suite("SHA-256")
struct SHA256Tests {
    /// FIPS 180-4 examples and NIST's published vectors.
    @Test(
        "gives the published digests",
        arguments: [
            ("", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
            ("abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
            (
                "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
                "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"
            ),
            (
                String(repeating: "a", count: 1_000_000),
                "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"
            ),
        ]
    )
    func publishedVectors(_ text: String, _ expected: String) throws {
        let hasher = try SHA256Hasher()
        Array(text.utf8).withUnsafeBytes { hasher.update($0) }
        #expect(hasher.finalize().description == expected)
    }

    @Test("a hasher begins anew after each digest")
    func reuse() throws {
        let hasher = try SHA256Hasher()
        let empty = hasher.finalize()
        Array("abc".utf8).withUnsafeBytes { hasher.update($0) }
        let abc = hasher.finalize()
        for _ in 0..<100 {
            for byte in "abc".utf8 { hasher.update(byte) }
            #expect(hasher.finalize() == abc)
            #expect(hasher.finalize() == empty)
        }
    }

    @Test("the cuts between updates do not matter")
    func everyCut() throws {
        let hasher = try SHA256Hasher()
        let bytes = (0..<200).map { UInt8(truncatingIfNeeded: $0 * 7) }
        bytes.withUnsafeBytes { hasher.update($0) }
        let whole = hasher.finalize()
        for cut in 0...bytes.count {
            bytes[..<cut].withUnsafeBytes { hasher.update($0) }
            bytes[cut...].withUnsafeBytes { hasher.update($0) }
            #expect(hasher.finalize() == whole, "cut at \(cut)")
        }
    }

    @Test("a digest is hashed as its 32 bytes")
    func digestOfDigest() throws {
        let hasher = try SHA256Hasher()
        let digest = hasher.finalize()
        hasher.update(digest)
        let direct = hasher.finalize()
        digest.bytes.withUnsafeBytes { hasher.update($0) }
        #expect(hasher.finalize() == direct)
        #expect(direct.description == "5df6e0e2761359d30a8275058e299fcc0381534545f55cf43e41983f5d4c9456")
    }

    @Test("a digest keeps its bytes, and nothing but 32 bytes is one")
    func bytesOfADigest() throws {
        let bytes = (0..<32).map { UInt8($0) }
        let digest = try #require(bytes.withUnsafeBytes { SHA256Digest($0) })
        #expect(digest.bytes == bytes)
        #expect(digest.description == "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f")
        for count in [0, 1, 31, 33, 64] {
            #expect([UInt8](repeating: 1, count: count).withUnsafeBytes { SHA256Digest($0) } == nil)
        }
        var other = bytes
        for index in bytes.indices {
            other[index] ^= 1
            #expect(other.withUnsafeBytes { SHA256Digest($0) } != digest)
            other[index] ^= 1
        }
    }
}

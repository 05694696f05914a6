import OpenSSLCrypto
import Testing

@Suite("Ed25519")
struct SigningKeyTests {
    /// RFC 8032 §7.1, tests 1 to 3: seed, public key, message, signature.
    @Test(
        "signs as RFC 8032 does",
        arguments: [
            (
                "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
                "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a", "",
                "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e06522490155"
                    + "5fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b"
            ),
            (
                "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
                "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c", "72",
                "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
                    + "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"
            ),
            (
                "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
                "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025", "af82",
                "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac"
                    + "18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a"
            ),
        ]
    )
    func publishedVectors(_ seed: String, _ publicKey: String, _ message: String, _ expected: String) throws {
        let key = try SigningKey(seed: bytes(seed))
        #expect(key.publicKey.bytes == bytes(publicKey))
        let signature = try key.signature(of: bytes(message))
        #expect(signature == bytes(expected))
        #expect(key.publicKey.isValid(signature, for: bytes(message)))
    }

    @Test("a signature is good for its message, whole, and by its key alone")
    func refusals() throws {
        let key = try SigningKey.generate()
        let other = try SigningKey.generate()
        let message = Array("what was signed".utf8)
        let signature = try key.signature(of: message)
        #expect(key.publicKey.isValid(signature, for: message))
        #expect(!other.publicKey.isValid(signature, for: message))
        #expect(!key.publicKey.isValid(signature, for: message + [0]))
        #expect(!key.publicKey.isValid(Array(signature.dropLast()), for: message))
        for index in signature.indices {
            var flipped = signature
            flipped[index] ^= 1
            #expect(!key.publicKey.isValid(flipped, for: message), "byte \(index)")
        }
    }

    @Test("a key comes back from its seed")
    func seed() throws {
        let key = try SigningKey.generate()
        #expect(try SigningKey(seed: try key.seed()).publicKey == key.publicKey)
        #expect(throws: OpenSSLError.self) { try SigningKey(seed: [1, 2, 3]) }
        #expect(VerifyingKey([1, 2, 3]) == nil)
    }

    private func bytes(_ hex: String) -> [UInt8] {
        let digits = Array(hex)
        return stride(from: 0, to: digits.count, by: 2).compactMap { UInt8(String(digits[$0...$0 + 1]), radix: 16) }
    }
}

@Suite("Base64")
struct Base64Tests {
    @Test(
        "is RFC 4648's, both ways",
        arguments: [
            ("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg=="), ("fooba", "Zm9vYmE="),
            ("foobar", "Zm9vYmFy"), ("\u{3FF}?>~", "z78/Pn4="),
        ]
    )
    func publishedVectors(_ plain: String, _ encoded: String) {
        #expect(Base64.encode(Array(plain.utf8)) == encoded)
        #expect(Base64.decode(encoded) == Array(plain.utf8))
    }

    @Test("has one spelling", arguments: ["Zg", "Zg=", "Zh==", "Zm9=", "Zg==Zg==", "Z===", "====", "Zm9v\n", "Zm-_"])
    func otherSpellings(_ text: String) {
        #expect(Base64.decode(text) == nil)
    }
}

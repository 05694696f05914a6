import Crypto
import CryptoExtras
import Foundation

/// Text under a passphrase, as the `age` program writes it with `--passphrase --armor`: either opens what the other made.
///
/// Source: the age format (C2SP `age`, version 1): a file key, wrapped by scrypt and ChaCha20-Poly1305; a header under HMAC; the
/// payload in pieces of 64 KiB, each under ChaCha20-Poly1305 with its number and whether it is the last.
public enum AgeFile {
    /// 2^17 × 1 KiB of memory to derive a key: 128 MiB, for about half a second.
    public static let workFactor = 17
    /// A file that asks for more could eat all memory: 1 GiB.
    static let mostWorkFactor = 20
    /// Bytes of a file; keys are far smaller.
    private static let mostBytes = 8 * 1_024 * 1_024
    private static let firstLine = "age-encryption.org/v1"
    private static let begin = "-----BEGIN AGE ENCRYPTED FILE-----"
    private static let end = "-----END AGE ENCRYPTED FILE-----"
    private static let pieceBytes = 64 * 1_024
    private static let tagBytes = 16

    // MARK: Sealing

    /// - Throws: `storage` where the system gives no memory for the key's derivation.
    public static func seal(
        _ text: String,
        passphrase: String,
        workFactor: Int = workFactor
    ) throws(IdentityError) -> String {
        do {
            let fileKey = SymmetricKey(size: .bits128)
            let salt = random(16)
            let wrapping = try derive(passphrase, salt, workFactor)
            let body = try ChaChaPoly.seal(bytes(fileKey), using: wrapping, nonce: zeroNonce())
            var header = firstLine + "\n-> scrypt \(base64(salt)) \(workFactor)\n"
            header += base64(Array(body.ciphertext + body.tag)) + "\n---"
            let mac = HMAC<SHA256>.authenticationCode(for: Data(header.utf8), using: headerKey(fileKey))
            let nonce = random(16)
            var file = Array("\(header) \(base64(Array(mac)))\n".utf8) + nonce
            try sealPieces(Array(text.utf8), payloadKey(fileKey, nonce), into: &file)
            let armored = Data(file).base64EncodedString(options: [.lineLength64Characters, .endLineWithLineFeed])
            return "\(begin)\n\(armored)\n\(end)\n"
        } catch {
            throw IdentityError(.storage, "the passphrase's key can't be derived: \(error)")
        }
    }

    private static func sealPieces(_ plain: [UInt8], _ key: SymmetricKey, into file: inout [UInt8]) throws {
        var start = 0
        var number: UInt64 = 0
        repeat {
            let end = min(start + pieceBytes, plain.count)
            let nonce = try pieceNonce(number, isLast: end == plain.count)
            let piece = try ChaChaPoly.seal(plain[start..<end], using: key, nonce: nonce)
            file += piece.ciphertext + piece.tag
            start = end
            number += 1
        } while start < plain.count
    }

    // MARK: Opening

    /// - Throws: `malformed-backup` for what is no such file, or damaged; `wrong-passphrase`.
    public static func open(_ armored: String, passphrase: String) throws(IdentityError) -> String {
        let file = try bytes(of: armored)
        let (header, payload) = try parts(of: file)
        let wrapping: SymmetricKey
        do {
            wrapping = try derive(passphrase, header.salt, header.workFactor)
        } catch {
            throw IdentityError(.storage, "the passphrase's key can't be derived: \(error)")
        }
        guard let box = try? ChaChaPoly.SealedBox(combined: Data(repeating: 0, count: 12) + header.wrappedKey),
            let key = try? ChaChaPoly.open(box, using: wrapping), key.count == 16
        else {
            throw IdentityError(.wrongPassphrase, "the passphrase is another one, or the first lines are damaged")
        }
        let fileKey = SymmetricKey(data: key)
        guard
            HMAC<SHA256>.isValidAuthenticationCode(header.mac, authenticating: header.bytes, using: headerKey(fileKey))
        else { throw malformed("its header is damaged") }
        let plain = try openPieces(payload.dropFirst(16), payloadKey(fileKey, Array(payload.prefix(16))))
        guard let text = String(validating: plain, as: UTF8.self) else { throw malformed("it holds no text") }
        return text
    }

    private static func openPieces(
        _ sealed: ArraySlice<UInt8>,
        _ key: SymmetricKey
    ) throws(IdentityError) -> [UInt8] {
        var plain: [UInt8] = []
        var rest = sealed
        var number: UInt64 = 0
        repeat {
            let piece = rest.prefix(pieceBytes + tagBytes)
            rest = rest.dropFirst(piece.count)
            guard let nonce = try? pieceNonce(number, isLast: rest.isEmpty),
                let box = try? ChaChaPoly.SealedBox(combined: Data(nonce) + piece),
                let opened = try? ChaChaPoly.open(box, using: key), !(opened.isEmpty && number > 0)
            else { throw malformed("it is damaged, or was cut") }
            plain += opened
            number += 1
        } while !rest.isEmpty
        return plain
    }

    // MARK: The file's form

    private struct Header {
        var salt: [UInt8]
        var workFactor: Int
        var wrappedKey: [UInt8]
        var mac: [UInt8]
        /// What the code authenticates: through `---`.
        var bytes: [UInt8]
    }

    private static func bytes(of armored: String) throws(IdentityError) -> [UInt8] {
        guard armored.utf8.count <= mostBytes else { throw malformed("it is larger than any such file") }
        let lines = armored.split(whereSeparator: \.isNewline).map { $0.trimmingCharacters(in: .whitespaces) }
            .filter { !$0.isEmpty }
        let digits = lines.dropFirst().dropLast().joined()
        guard lines.first == begin, lines.last == end, let data = Data(base64Encoded: digits),
            data.base64EncodedString() == digits
        else { throw malformed("it is no armored age file (\(begin))") }
        return Array(data)
    }

    private static func parts(of file: [UInt8]) throws(IdentityError) -> (Header, ArraySlice<UInt8>) {
        var rest = file[...]
        func line() throws(IdentityError) -> String {
            guard let end = rest.firstIndex(of: UInt8(ascii: "\n")),
                let line = String(validating: rest[..<end], as: UTF8.self)
            else { throw malformed("its header is damaged") }
            rest = rest[(end + 1)...]
            return line
        }
        guard try line() == firstLine else { throw malformed("it is of another version than \(firstLine)") }
        let stanza = try line().split(separator: " ", omittingEmptySubsequences: false)
        guard stanza.count == 4, stanza[0] == "->", stanza[1] == "scrypt" else {
            throw malformed("it is not sealed by a passphrase")
        }
        let wrapped = try line()
        let beforeMac = file.count - rest.count
        let last = try line()
        guard let salt = unpadded(stanza[2]), salt.count == 16, let factor = Int(stanza[3]),
            (1...63).contains(factor), let key = unpadded(wrapped), key.count == 32, last.hasPrefix("--- "),
            let mac = unpadded(last.dropFirst(4)), mac.count == 32
        else { throw malformed("its header is damaged") }
        guard factor <= mostWorkFactor else {
            throw malformed("its passphrase's key would take \(1 << (factor - 10)) MiB of memory")
        }
        guard rest.count >= 16 + tagBytes else { throw malformed("it was cut") }
        let header = Header(
            salt: salt,
            workFactor: factor,
            wrappedKey: key,
            mac: mac,
            bytes: Array(file[..<(beforeMac + 3)])
        )
        return (header, rest)
    }

    private static func malformed(_ why: String) -> IdentityError {
        IdentityError(.malformedBackup, why)
    }

    // MARK: Keys

    private static func derive(_ passphrase: String, _ salt: [UInt8], _ workFactor: Int) throws -> SymmetricKey {
        try KDF.Scrypt.deriveKey(
            from: Array(passphrase.utf8),
            salt: Array("age-encryption.org/v1/scrypt".utf8) + salt,
            outputByteCount: 32,
            rounds: 1 << workFactor,
            blockSize: 8,
            parallelism: 1
        )
    }

    private static func headerKey(_ fileKey: SymmetricKey) -> SymmetricKey {
        HKDF<SHA256>.deriveKey(inputKeyMaterial: fileKey, info: Data("header".utf8), outputByteCount: 32)
    }

    private static func payloadKey(_ fileKey: SymmetricKey, _ nonce: [UInt8]) -> SymmetricKey {
        HKDF<SHA256>.deriveKey(
            inputKeyMaterial: fileKey,
            salt: nonce,
            info: Data("payload".utf8),
            outputByteCount: 32
        )
    }

    private static func zeroNonce() throws -> ChaChaPoly.Nonce {
        try ChaChaPoly.Nonce(data: [UInt8](repeating: 0, count: 12))
    }

    /// Eleven bytes of the piece's number, the highest first, and one that says whether it is the last.
    private static func pieceNonce(_ number: UInt64, isLast: Bool) throws -> ChaChaPoly.Nonce {
        let counter = (0..<8).map { UInt8(truncatingIfNeeded: number >> (56 - 8 * UInt64($0))) }
        return try ChaChaPoly.Nonce(data: [0, 0, 0] + counter + [isLast ? 1 : 0])
    }

    private static func bytes(_ key: SymmetricKey) -> [UInt8] {
        key.withUnsafeBytes { Array($0) }
    }

    private static func random(_ count: Int) -> [UInt8] {
        var generator = SystemRandomNumberGenerator()
        return (0..<count).map { _ in UInt8.random(in: 0...255, using: &generator) }
    }

    /// Without padding, as the header has it.
    private static func base64(_ bytes: [UInt8]) -> String {
        Data(bytes).base64EncodedString().trimmingCharacters(in: ["="])
    }

    private static func unpadded(_ text: some StringProtocol) -> [UInt8]? {
        let padded = text + String(repeating: "=", count: (4 - text.utf8.count % 4) % 4)
        guard let data = Data(base64Encoded: padded), base64(Array(data)) == text else { return nil }
        return Array(data)
    }
}

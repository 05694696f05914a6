public import OpenSSLCrypto

/// A text with signatures below it (C2SP signed-note), as transparency logs and their witnesses exchange them.
///
///     <text, each line ended by a newline>
///
///     — <key name> <base64 of key id and signature>
public struct SignedNote: Sendable, Equatable {
    public struct Signature: Sendable, Equatable {
        public var keyName: String
        /// The first four bytes of what ``NoteKey/id`` hashes.
        public var keyID: [UInt8]
        public var bytes: [UInt8]
    }

    /// No note of ours is near it; a longer one is not read.
    public static let maximumBytes = 64 * 1_024
    private static let dash = "\u{2014} "

    /// Ends with a newline.
    public let text: String
    public let signatures: [Signature]

    init(text: String, signatures: [Signature]) {
        self.text = text
        self.signatures = signatures
    }

    /// Signs a text with one key.
    public init(text: String, signedBy key: SigningKey, named name: String) throws(EventLogError) {
        let noteKey = try NoteKey(name: name, key: key.publicKey)
        let signature = try crypto { () throws(OpenSSLError) in try key.signature(of: Array(text.utf8)) }
        self.init(text: text, signatures: [Signature(keyName: name, keyID: noteKey.id, bytes: signature)])
    }

    /// - Throws: `malformed` for anything that is not written as the specification says.
    public init(parsing note: String) throws(EventLogError) {
        guard note.utf8.count <= Self.maximumBytes, note.hasSuffix("\n") else {
            throw EventLogError(.malformed, "not a signed note: it is too long or does not end with a newline")
        }
        let lines = note.dropLast().split(separator: "\n", omittingEmptySubsequences: false)
        guard let blank = lines.lastIndex(of: ""), blank > 0, blank < lines.count - 1 else {
            throw EventLogError(.malformed, "not a signed note: no empty line stands between text and signatures")
        }
        guard lines.allSatisfy({ line in line.unicodeScalars.allSatisfy { $0.value >= 0x20 && $0.value != 0x7F } })
        else { throw EventLogError(.malformed, "not a signed note: it holds control characters") }
        signatures = try lines[(blank + 1)...].map { (line) throws(EventLogError) in try Self.signature(line) }
        text = lines[..<blank].joined(separator: "\n") + "\n"
    }

    private static func signature(_ line: Substring) throws(EventLogError) -> Signature {
        let parts = line.dropFirst(dash.count).split(separator: " ", omittingEmptySubsequences: false)
        guard line.hasPrefix(dash), parts.count == 2, NoteKey.isName(parts[0]), let bytes = Base64.decode(parts[1]),
            bytes.count > 4
        else { throw EventLogError(.malformed, "not a signed note: a signature line is not one") }
        return Signature(keyName: String(parts[0]), keyID: Array(bytes[..<4]), bytes: Array(bytes[4...]))
    }

    public var rendered: String {
        var note = text + "\n"
        for signature in signatures {
            note += Self.dash + signature.keyName + " " + Base64.encode(signature.keyID + signature.bytes) + "\n"
        }
        return note
    }

    /// Whether one of its signatures is this key's.
    public func isSigned(by key: NoteKey) -> Bool {
        signatures.contains { signature in
            signature.keyName == key.name && signature.keyID == key.id
                && key.key.isValid(signature.bytes, for: Array(text.utf8))
        }
    }
}

/// A public key as notes name it: `<name>+<key id>+<base64 of algorithm and key>`, the "vkey" that auditors keep.
public struct NoteKey: Sendable, Hashable, CustomStringConvertible {
    /// Ed25519, in signed-note's list of algorithms.
    private static let algorithm: UInt8 = 1

    public let name: String
    public let key: VerifyingKey
    /// Four bytes: enough to find the right key, never to trust it.
    public let id: [UInt8]

    public init(name: String, key: VerifyingKey) throws(EventLogError) {
        guard Self.isName(name) else { throw EventLogError(.malformed, "not a key's name: \(name)") }
        self.name = name
        self.key = key
        let hashed = Array(name.utf8) + [UInt8(ascii: "\n"), Self.algorithm] + key.bytes
        id = Array(try crypto { () throws(OpenSSLError) in try SHA256Digest.of(hashed) }.bytes[..<4])
    }

    /// - Throws: `malformed` for anything but an Ed25519 vkey with the right key id.
    public init(vkey text: some StringProtocol) throws(EventLogError) {
        let parts = text.split(separator: "+", maxSplits: 2, omittingEmptySubsequences: false)
        guard parts.count == 3, let bytes = Base64.decode(parts[2]), bytes.first == Self.algorithm,
            let key = VerifyingKey(Array(bytes.dropFirst()))
        else { throw EventLogError(.malformed, "not an Ed25519 vkey: it is written name+8 hex digits+base64") }
        try self.init(name: String(parts[0]), key: key)
        guard parts[1] == idText else {
            throw EventLogError(.malformed, "the vkey's id is \(parts[1]), its name and key make \(idText)")
        }
    }

    /// Eight lower-case hexadecimal digits.
    public var idText: String {
        id.map { String($0 >> 4, radix: 16) + String($0 & 15, radix: 16) }.joined()
    }

    /// `name+id`: how people tell keys apart.
    public var short: String {
        "\(name)+\(idText)"
    }

    public var description: String {
        "\(short)+\(Base64.encode([Self.algorithm] + key.bytes))"
    }

    static func isName(_ text: some StringProtocol) -> Bool {
        !text.isEmpty && text.utf8.count <= 255
            && text.unicodeScalars.allSatisfy { !$0.properties.isWhitespace && $0 != "+" && $0.value > 0x20 }
    }
}

/// Runs what OpenSSL does, and makes its error the log's.
func crypto<R>(_ body: () throws(OpenSSLError) -> R) throws(EventLogError) -> R {
    do {
        return try body()
    } catch {
        throw EventLogError(.codec, "\(error)")
    }
}

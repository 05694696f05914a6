public import OpenSSLCrypto
public import RegistryModel

/// A log's size and root, as signed (C2SP tlog-checkpoint): three lines, origin, size and root in base64.
///
/// A tree's size is a sequence number: leaf index = sequence − 1.
public struct Checkpoint: Sendable, Equatable {
    public var origin: String
    public var size: SequenceNumber
    public var root: SHA256Digest

    public init(origin: String, size: SequenceNumber, root: SHA256Digest) {
        self.origin = origin
        self.size = size
        self.root = root
    }

    /// `<trust domain>/hms/<registry id>/<epoch>`: no two histories share one, since a restore begins an epoch.
    public static func origin(trustDomain: String, _ identity: LogIdentity) -> String {
        "\(trustDomain)/hms/\(identity.registryID)/\(identity.epoch)"
    }

    /// The epoch that an origin names; nil where it is not of that form or of another registry.
    public static func epoch(ofOrigin origin: String, registry: RegistryID) -> Epoch? {
        let parts = origin.split(separator: "/", omittingEmptySubsequences: false)
        guard parts.count == 4, parts[1] == "hms", parts[2] == registry.description else { return nil }
        return Epoch(parts[3])
    }

    /// The note's text.
    public var text: String {
        "\(origin)\n\(size)\n\(Base64.encode(root.bytes))\n"
    }

    /// Lines behind the third are extensions, which mean nothing here.
    ///
    /// - Throws: `malformed` where the text is no checkpoint.
    public init(text: String) throws(EventLogError) {
        let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
        guard lines.count >= 4, lines.last == "", !lines.dropLast().contains(""), let size = UInt64(lines[1]),
            String(size) == lines[1], let bytes = Base64.decode(lines[2]), let root = SHA256Digest(bytes)
        else { throw EventLogError(.malformed, "not a checkpoint: its lines are not origin, size and root") }
        self.init(origin: String(lines[0]), size: SequenceNumber(size), root: root)
    }

    /// Signs it under its origin, as the specification wants.
    public func signed(by key: SigningKey) throws(EventLogError) -> SignedNote {
        try SignedNote(text: text, signedBy: key, named: origin)
    }
}

extension CheckpointRecord {
    /// Nil where the root is none: an event of that kind always has one.
    public var checkpoint: Checkpoint? {
        SHA256Digest(root).map { Checkpoint(origin: origin, size: size, root: $0) }
    }

    /// The key that it claims to be signed by; nil where origin or key can't be one.
    public var noteKey: NoteKey? {
        VerifyingKey(publicKey).flatMap { try? NoteKey(name: origin, key: $0) }
    }

    /// The note, made again from what is on record; nil where it can't be one.
    public var note: SignedNote? {
        guard let checkpoint, let noteKey else { return nil }
        return SignedNote(
            text: checkpoint.text,
            signatures: [.init(keyName: origin, keyID: noteKey.id, bytes: signature)]
        )
    }
}

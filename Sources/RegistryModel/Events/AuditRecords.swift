/// What the registry signed of itself: a checkpoint on record, from which the note can be made again.
///
/// The note's body is three lines: origin, size, root in base64 (C2SP tlog-checkpoint). The next root covers this event
/// and with it the state digest.
public struct CheckpointRecord: Sendable, Equatable {
    /// Tree size: the last sequence that the root covers.
    public var size: SequenceNumber
    /// 32 bytes.
    public var root: [UInt8]
    public var digestVersion: UInt32
    /// Of the state after ``size`` events.
    public var stateDigest: [UInt8]
    public var origin: String
    /// Ed25519, 32 bytes.
    public var publicKey: [UInt8]
    /// Over the note's body, 64 bytes.
    public var signature: [UInt8]

    public init(
        size: SequenceNumber,
        root: [UInt8],
        digestVersion: UInt32,
        stateDigest: [UInt8],
        origin: String,
        publicKey: [UInt8],
        signature: [UInt8]
    ) {
        self.size = size
        self.root = root
        self.digestVersion = digestVersion
        self.stateDigest = stateDigest
        self.origin = origin
        self.publicKey = publicKey
        self.signature = signature
    }
}

/// A snapshot was restored: the first event of an epoch that goes on from another's history.
public struct RestoreRecord: Sendable, Equatable {
    public var parentEpoch: Epoch
    /// The fork: the last event of the parent that is part of this history.
    public var sequence: SequenceNumber
    /// Of the tree of that size.
    public var root: [UInt8]
    /// The parent's last event that was known and is set aside; `none` where none was.
    public var lastKnownLost: SequenceNumber
    /// What was restored from.
    public var source: String

    public init(
        parentEpoch: Epoch,
        sequence: SequenceNumber,
        root: [UInt8],
        lastKnownLost: SequenceNumber,
        source: String
    ) {
        self.parentEpoch = parentEpoch
        self.sequence = sequence
        self.root = root
        self.lastKnownLost = lastKnownLost
        self.source = source
    }
}

/// A snapshot that was taken and found whole.
public struct SnapshotRecord: Sendable, Equatable {
    /// Its file's name.
    public var file: String
    /// The last event that its view holds.
    public var sequence: SequenceNumber
    /// Of the file.
    public var sha256: [UInt8]
    public var bytes: UInt64
    /// Hash of its manifest, which names the hash of each other file in it; empty where an earlier version took it.
    public var manifestSHA256: [UInt8]

    public init(
        file: String,
        sequence: SequenceNumber,
        sha256: [UInt8],
        bytes: UInt64,
        manifestSHA256: [UInt8] = []
    ) {
        self.file = file
        self.sequence = sequence
        self.sha256 = sha256
        self.bytes = bytes
        self.manifestSHA256 = manifestSHA256
    }
}

/// From here on checkpoints are signed by another key, by the word of the old one.
public struct KeyRotationRecord: Sendable, Equatable {
    /// Of the checkpoints; no rotation is good for another log or epoch.
    public var origin: String
    /// Ed25519, 32 bytes each.
    public var oldKey: [UInt8]
    public var newKey: [UInt8]
    /// Over ``body``, 64 bytes each: the old key says that the new one may follow, the new one that it is held.
    public var oldSignature: [UInt8]
    public var newSignature: [UInt8]

    public init(
        origin: String,
        oldKey: [UInt8],
        newKey: [UInt8],
        oldSignature: [UInt8] = [],
        newSignature: [UInt8] = []
    ) {
        self.origin = origin
        self.oldKey = oldKey
        self.newKey = newKey
        self.oldSignature = oldSignature
        self.newSignature = newSignature
    }
}

/// The registry's certificate authority changed: who signs, or who is believed. No key is on record.
public struct AuthorityChange: Sendable, Hashable {
    public enum Kind: String, Sendable, CaseIterable {
        /// Another root is believed too, and is to sign.
        case rotationBegun = "rotation-begun"
        /// The other root signs; the former one is still believed.
        case rootHandedOver = "root-handed-over"
        /// The former root is believed no more.
        case rotationEnded = "rotation-ended"
        /// Another issuer signs, under the same root.
        case issuerReplaced = "issuer-replaced"
    }

    public var kind: Kind
    /// SHA-256 of the SubjectPublicKeyInfo: of the root that signs after the change, and of its issuer.
    public var rootKeyHash: [UInt8]
    public var issuerKeyHash: [UInt8]
    /// Of the root that is to sign, or that signed before; empty where there is none.
    public var otherRootKeyHash: [UInt8]
    /// When it changed; it may be on record later, after a crash in between.
    public var at: Timestamp

    public init(
        _ kind: Kind,
        rootKeyHash: [UInt8],
        issuerKeyHash: [UInt8],
        otherRootKeyHash: [UInt8] = [],
        at: Timestamp
    ) {
        self.kind = kind
        self.rootKeyHash = rootKeyHash
        self.issuerKeyHash = issuerKeyHash
        self.otherRootKeyHash = otherRootKeyHash
        self.at = at
    }
}

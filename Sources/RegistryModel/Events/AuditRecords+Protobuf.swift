import FoundationEssentials
import SwiftProtobuf

// Part of `Event+Protobuf`: what the registry says of its own log.

extension CheckpointRecord {
    var message: Hms_Log_V1_Checkpointed {
        .with {
            $0.size = size.rawValue
            $0.root = .init(root)
            $0.digestVersion = digestVersion
            $0.stateDigest = .init(stateDigest)
            $0.origin = origin
            $0.publicKey = .init(publicKey)
            $0.signature = .init(signature)
        }
    }

    init(_ message: Hms_Log_V1_Checkpointed) throws(RegistryModelError) {
        guard message.root.count == 32, message.stateDigest.count == 32, message.publicKey.count == 32,
            message.signature.count == 64
        else { throw RegistryModelError(.malformedEvent, "a checkpoint's root, digest, key or signature is too short") }
        self.init(
            size: SequenceNumber(message.size),
            root: [UInt8](message.root),
            digestVersion: message.digestVersion,
            stateDigest: [UInt8](message.stateDigest),
            origin: message.origin,
            publicKey: [UInt8](message.publicKey),
            signature: [UInt8](message.signature)
        )
    }
}

extension RestoreRecord {
    var message: Hms_Log_V1_RegistryRestored {
        .with {
            $0.parentEpoch = parentEpoch.rawValue
            $0.sequence = sequence.rawValue
            $0.root = .init(root)
            $0.lastKnownLost = lastKnownLost.rawValue
            $0.source = source
        }
    }

    init(_ message: Hms_Log_V1_RegistryRestored) throws(RegistryModelError) {
        guard message.root.count == 32 else {
            throw RegistryModelError(.malformedEvent, "a restore's root has not 32 bytes")
        }
        self.init(
            parentEpoch: Epoch(rawValue: message.parentEpoch),
            sequence: SequenceNumber(message.sequence),
            root: [UInt8](message.root),
            lastKnownLost: SequenceNumber(message.lastKnownLost),
            source: message.source
        )
    }
}

extension SnapshotRecord {
    var message: Hms_Log_V1_SnapshotTaken {
        .with {
            $0.file = file
            $0.sequence = sequence.rawValue
            $0.sha256 = .init(sha256)
            $0.bytes = bytes
            $0.manifestSha256 = .init(manifestSHA256)
        }
    }

    init(_ message: Hms_Log_V1_SnapshotTaken) throws(RegistryModelError) {
        guard message.sha256.count == 32, [0, 32].contains(message.manifestSha256.count) else {
            throw RegistryModelError(.malformedEvent, "a snapshot's hash has not 32 bytes")
        }
        self.init(
            file: message.file,
            sequence: SequenceNumber(message.sequence),
            sha256: [UInt8](message.sha256),
            bytes: message.bytes,
            manifestSHA256: [UInt8](message.manifestSha256)
        )
    }
}

extension KeyRotationRecord {
    var message: Hms_Log_V1_CheckpointKeyRotated {
        .with {
            $0.origin = origin
            $0.oldPublicKey = .init(oldKey)
            $0.newPublicKey = .init(newKey)
            $0.oldSignature = .init(oldSignature)
            $0.newSignature = .init(newSignature)
        }
    }

    init(_ message: Hms_Log_V1_CheckpointKeyRotated) throws(RegistryModelError) {
        guard message.oldPublicKey.count == 32, message.newPublicKey.count == 32, message.oldSignature.count == 64,
            message.newSignature.count == 64
        else { throw RegistryModelError(.malformedEvent, "a rotation's keys or signatures are too short") }
        self.init(
            origin: message.origin,
            oldKey: [UInt8](message.oldPublicKey),
            newKey: [UInt8](message.newPublicKey),
            oldSignature: [UInt8](message.oldSignature),
            newSignature: [UInt8](message.newSignature)
        )
    }
}

extension TailRecord {
    var message: Hms_Log_V1_SidecarTailed {
        .with {
            $0.service = key.service.description
            $0.id = key.id.description
            $0.spiffeID = spiffeID
            $0.serial = serial
            $0.target = target
        }
    }

    init(_ message: Hms_Log_V1_SidecarTailed) throws(RegistryModelError) {
        self.init(
            key: try InstanceKey(message.service, message.id),
            spiffeID: message.spiffeID,
            serial: message.serial,
            target: message.target
        )
    }
}

extension AuthorityChange {
    var message: Hms_Log_V1_AuthorityChanged {
        .with {
            $0.change =
                switch kind {
                case .rotationBegun: .rotationBegun
                case .rootHandedOver: .rootHandedOver
                case .rotationEnded: .rotationEnded
                case .issuerReplaced: .issuerReplaced
                }
            $0.rootKeyHash = .init(rootKeyHash)
            $0.issuerKeyHash = .init(issuerKeyHash)
            $0.otherRootKeyHash = .init(otherRootKeyHash)
            $0.atUnixNs = at.rawValue
        }
    }

    init(_ message: Hms_Log_V1_AuthorityChanged) throws(RegistryModelError) {
        let kind: Kind =
            switch message.change {
            case .rotationBegun: .rotationBegun
            case .rootHandedOver: .rootHandedOver
            case .rotationEnded: .rotationEnded
            case .issuerReplaced: .issuerReplaced
            default: throw RegistryModelError(.malformedEvent, "a change of the authority is of no known kind")
            }
        guard message.rootKeyHash.count == 32, message.issuerKeyHash.count == 32,
            [0, 32].contains(message.otherRootKeyHash.count)
        else { throw RegistryModelError(.malformedEvent, "a change of the authority has a hash of the wrong length") }
        self.init(
            kind,
            rootKeyHash: [UInt8](message.rootKeyHash),
            issuerKeyHash: [UInt8](message.issuerKeyHash),
            otherRootKeyHash: [UInt8](message.otherRootKeyHash),
            at: Timestamp(rawValue: message.atUnixNs)
        )
    }
}

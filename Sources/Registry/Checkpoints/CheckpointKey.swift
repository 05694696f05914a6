import EventLog
import Glibc
import OpenSSLCrypto
import RegistryModel

/// The key that signs checkpoints, in its file, and its successor while that is not on record yet.
struct CheckpointKey {
    let signing: SigningKey
    let note: NoteKey

    private let path: String
    private var successorPath: String { path + ".next" }

    /// The key in `directory`, or a new one. A successor that a crash left beside it takes its place where the log says so,
    /// and is thrown away where it does not.
    init(directory: String, log: String, origin: String) throws {
        path = directory + "/checkpoint.pem"
        let successor = path + ".next"
        if access(successor, F_OK) == 0 {
            let next = try SigningKeyFile.load(successor)
            if try Self.isOnRecord(next, log) {
                try SmallFile.rename(successor, to: path)
            } else {
                unlink(successor)
            }
        }
        signing = try SigningKeyFile.loadOrMake(path)
        note = try NoteKey(name: origin, key: signing.publicKey)
    }

    private init(_ signing: SigningKey, _ note: NoteKey, _ path: String) {
        self.signing = signing
        self.note = note
        self.path = path
    }

    private static func isOnRecord(_ key: SigningKey, _ log: String) throws -> Bool {
        let reader = try LogReader(directory: log, stream: .log)
        var isFound = false
        try reader.forEach(of: [.checkpointKeyRotated], from: SequenceNumber(1), through: try reader.lastSequence) {
            event in
            if case .checkpointKeyRotated(let record) = event.kind { isFound = record.newKey == key.publicKey.bytes }
            return true
        }
        return isFound
    }

    /// Makes a successor, which lies beside this one from then on.
    func makeSuccessor() throws -> (CheckpointKey, KeyRotationRecord) {
        let next = try SigningKeyFile.make(successorPath)
        let record = try KeyRotationRecord(origin: note.name, from: signing, to: next)
        return (CheckpointKey(next, try NoteKey(name: note.name, key: next.publicKey), path), record)
    }

    /// Of a successor that is on record: takes the old one's place, for good.
    func takePlace() throws {
        try SmallFile.rename(successorPath, to: path)
    }

    /// Of a key whose successor could not be put on record.
    func forgetSuccessor() {
        unlink(successorPath)
    }
}

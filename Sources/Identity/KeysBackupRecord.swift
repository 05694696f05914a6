public import RegistryModel

/// When a registry's keys were last backed up, and which root signed then: `DATA/keys/last-backup`.
public struct KeysBackupRecord: Sendable, Equatable {
    static let fileName = "last-backup"

    public let madeAt: Timestamp
    public let rootKeyHash: String

    public init(madeAt: Timestamp, rootKeyHash: String) {
        self.madeAt = madeAt
        self.rootKeyHash = rootKeyHash
    }

    /// - Parameter directory: `DATA/keys`.
    /// - Returns: nil where none was made, or where the note of it can't be read.
    public init?(in directory: String) {
        guard let text = try? PrivateFile.read(directory + "/" + Self.fileName) else { return nil }
        var time: Timestamp?
        var hash = ""
        do throws(RegistryModelError) {
            try JSONReader.parse(Array(text.utf8)) { (json) throws(RegistryModelError) in
                try json.object { (json, name) throws(RegistryModelError) in
                    switch name {
                    case "madeAt": time = try json.timestamp()
                    case "rootKeyHash": hash = try json.string()
                    default: try json.skip()
                    }
                }
            }
        } catch {
            return nil
        }
        guard let time else { return nil }
        self.init(madeAt: time, rootKeyHash: hash)
    }

    public func store(in directory: String) throws(IdentityError) {
        var json = JSONWriter()
        json.beginObject()
        json.member("madeAt", madeAt)
        json.member("rootKeyHash", rootKeyHash)
        json.endObject()
        try PrivateFile.write(json.string + "\n", to: directory + "/" + Self.fileName)
    }
}

import Foundation
import Glibc
public import RegistryModel

/// All that `DATA/keys` holds, under a passphrase: what a registry needs to be believed again by everybody who knows it.
///
///     {"version":1,"trustDomain":"gov.local","rootKeyHash":"sha256:…","madeAt":"…Z","files":{"authority.json":"…",…}}
///
/// sealed as an ``AgeFile``.
public struct KeysBackup: Sendable, Equatable {
    private static let version = 1
    private static let mostFiles = 32
    private static let mostBytes = 4 * 1_024 * 1_024

    public let trustDomain: TrustDomain
    /// Of the root that signed when it was made.
    public let rootKeyHash: String
    public let madeAt: Timestamp
    /// By name; PEM and JSON.
    private let files: [String: String]

    public var fileNames: [String] {
        files.keys.sorted()
    }

    // MARK: Making

    /// Reads a registry's keys; each file is replaced by renaming, so that the registry may be up meanwhile.
    ///
    /// - Parameter directory: `DATA/keys`.
    /// - Throws: `storage` where they can't be read, or are no authority: what is damaged is not backed up.
    public init(of directory: String, now: Timestamp) throws(IdentityError) {
        var files: [String: String] = [:]
        for name in try Self.names(in: directory) where Self.isKept(name) {
            if let text = try PrivateFile.read(directory + "/" + name) { files[name] = text }
        }
        guard let authority = files[CertificateAuthority.fileName] else {
            throw IdentityError(.storage, "\(directory) holds no authority: is it the keys folder of a registry?")
        }
        let (trustDomain, rootKeyHash) = try AuthorityFile.names(
            in: authority,
            path: directory + "/" + CertificateAuthority.fileName
        )
        let second = Timestamp(rawValue: now.unixSeconds * 1_000_000_000)
        self.init(trustDomain: trustDomain, rootKeyHash: rootKeyHash, madeAt: second, files: files)
    }

    private init(trustDomain: TrustDomain, rootKeyHash: String, madeAt: Timestamp, files: [String: String]) {
        self.trustDomain = trustDomain
        self.rootKeyHash = rootKeyHash
        self.madeAt = madeAt
        self.files = files
    }

    public func sealed(passphrase: String) throws(IdentityError) -> String {
        var json = JSONWriter(reservingCapacity: 16_384)
        json.beginObject()
        json.member("version", Self.version)
        json.member("trustDomain", trustDomain.description)
        json.member("rootKeyHash", rootKeyHash)
        json.member("madeAt", madeAt)
        json.key("files")
        json.beginObject()
        for name in fileNames { json.member(name, files[name] ?? "") }
        json.endObject()
        json.endObject()
        return try AgeFile.seal(json.string + "\n", passphrase: passphrase)
    }

    // MARK: Opening

    /// - Throws: `wrong-passphrase`; `malformed-backup` for what is damaged, of a later version, or holds no authority.
    public init(sealed: String, passphrase: String) throws(IdentityError) {
        let text = try AgeFile.open(sealed, passphrase: passphrase)
        let parsed: Parsed
        do throws(RegistryModelError) {
            parsed = try JSONReader.parse(Array(text.utf8)) { (json) throws(RegistryModelError) in
                try Parsed(from: &json)
            }
        } catch {
            throw IdentityError(.malformedBackup, "it is no backup of keys: \(error.message)")
        }
        guard parsed.version == Self.version else {
            throw IdentityError(
                .malformedBackup,
                "it is of version \(parsed.version), and this release reads \(Self.version)"
            )
        }
        guard parsed.files.count <= Self.mostFiles, parsed.files.keys.allSatisfy(Self.isKept),
            parsed.files.values.reduce(0, { $0 + $1.utf8.count }) <= Self.mostBytes,
            let authority = parsed.files[CertificateAuthority.fileName]
        else { throw IdentityError(.malformedBackup, "it holds other files than a registry's keys") }
        let (trustDomain, rootKeyHash) = try AuthorityFile.names(in: authority, path: CertificateAuthority.fileName)
        self.init(trustDomain: trustDomain, rootKeyHash: rootKeyHash, madeAt: parsed.madeAt, files: parsed.files)
    }

    /// Puts the keys into a registry's data directory that has none: all of them, or none.
    ///
    /// - Parameter data: made with mode 0700 where it is missing.
    /// - Throws: `storage` where keys are there already, or can't be written.
    public func restore(to data: String) throws(IdentityError) {
        try Self.checkVacancy(of: data)
        try PrivateFile.makeDirectory(data)
        let directory = data + "/keys"
        let unfinished = directory + ".restoring"
        for name in try Self.names(in: unfinished, orNone: true) { unlink(unfinished + "/" + name) }
        try PrivateFile.makeDirectory(unfinished)
        for (name, text) in files { try PrivateFile.write(text, to: unfinished + "/" + name) }
        try KeysBackupRecord(madeAt: madeAt, rootKeyHash: rootKeyHash).store(in: unfinished)
        try PrivateFile.syncDirectory(unfinished)
        guard rename(unfinished, directory) == 0 else { throw .storage("can't write", directory) }
        try PrivateFile.syncDirectory(data)
    }

    /// - Throws: `storage` where the data directory has keys already.
    public static func checkVacancy(of data: String) throws(IdentityError) {
        guard try names(in: data + "/keys", orNone: true).isEmpty else {
            throw IdentityError(
                .storage,
                "\(data)/keys is not empty: keys are never put over others; nothing was changed"
            )
        }
    }

    // MARK: Files

    /// Names as the registry gives them: nothing hidden, no path, nothing half written.
    private static func isKept(_ name: String) -> Bool {
        name != KeysBackupRecord.fileName && name.utf8.count <= 64 && name.utf8.first != UInt8(ascii: ".")
            && !name.hasSuffix(".new")
            && name.utf8.allSatisfy { byte in
                switch byte {
                case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                    UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "."), UInt8(ascii: "-"), UInt8(ascii: "_"):
                    true
                default: false
                }
            }
    }

    private static func names(in directory: String, orNone: Bool = false) throws(IdentityError) -> [String] {
        do {
            return try FileManager.default.contentsOfDirectory(atPath: directory)
        } catch {
            if orNone, (error as? CocoaError)?.code == .fileReadNoSuchFile { return [] }
            throw IdentityError(.storage, "can't read \(directory): \(error.localizedDescription)")
        }
    }
}

extension KeysBackup {
    private struct Parsed {
        var version = 0
        var madeAt = Timestamp(rawValue: 0)
        var files: [String: String] = [:]

        init(from json: inout JSONReader) throws(RegistryModelError) {
            var read = Self()
            try json.object { (json, name) throws(RegistryModelError) in
                switch name {
                case "version": read.version = try json.integer()
                case "madeAt": read.madeAt = try json.timestamp()
                case "files":
                    try json.object { (json, name) throws(RegistryModelError) in read.files[name] = try json.string() }
                default: try json.skip()
                }
            }
            self = read
        }

        private init() {}
    }
}

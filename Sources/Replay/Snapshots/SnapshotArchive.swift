import EventLog
import Glibc
public import MaterializedView
import OpenSSLCrypto
public import RegistryModel

/// A snapshot: a `.tar.zst` that ordinary `tar` lists, with everything that a registry knows but its keys.
///
///     manifest.json               what it is, and the hash of each other file
///     view/0/data.mdb             a compacted copy of the view
///     log/….hmslog.zst            the log, through the view's last event
///     checkpoint.note, .vkey      the last checkpoint and the key to judge it by
public enum SnapshotArchive {
    static let view = "view/0/data.mdb"

    /// Writes one of a registry that goes on meanwhile, reads it back, and gives it its name.
    ///
    /// - Parameters:
    ///   - path: where; must not be there yet.
    ///   - view: of the registry; a read transaction's time is all that it takes.
    ///   - dataDirectory: where its log is.
    /// - Throws: whatever kept it from being whole; nothing is left behind then.
    public static func write(to path: String, view: RegistryView, dataDirectory: String) throws -> SnapshotManifest {
        guard access(path, F_OK) != 0 else {
            throw ReplayError(.usage, "\(path) is there already; nothing was changed")
        }
        let work = path + ".work"
        let temporary = path + ".new"
        WorkDirectory.remove(work)
        try WorkDirectory.make(work, "view")
        defer {
            WorkDirectory.remove(work)
            unlink(temporary)
        }
        try view.copyCompacted(to: work + "/view")
        let (manifest, sources) = try describe(work + "/view", dataDirectory)
        let archive = try ArchiveWriter(path: temporary)
        try archive.add(SnapshotManifest.name, manifest.json)
        for (file, source) in zip(manifest.files, sources) {
            try archive.add(file.name, contentsOf: source, size: file.size)
        }
        try archive.finish()
        try readBack(temporary, manifest)
        try SmallFile.rename(temporary, to: path)
        return manifest
    }

    /// What goes in, and where each file is now.
    private static func describe(
        _ copy: String,
        _ dataDirectory: String
    ) throws -> (SnapshotManifest, sources: [String]) {
        let view = try RegistryView.open(directory: copy, access: .readOnly)
        var digest = try ViewDigest()
        let (identity, stateDigest, instances) = try view.read { snapshot in
            (snapshot.identity, try digest.update(snapshot), try snapshot.totals.health.total)
        }
        let log = dataDirectory + "/log"
        let reader = try LogReader(directory: log, stream: .log)
        var files: [(name: String, source: String, size: UInt64)] = [
            (Self.view, copy + "/data.mdb", try FileHash.size(of: copy + "/data.mdb"))
        ]
        for first in try reader.segments() where first <= identity.applied {
            let source = LogReader.path(of: first, in: log)
            let name = "log/" + (source.split(separator: "/").last ?? "")
            files.append((name, source, try reader.bytes(of: first, through: identity.applied)))
        }
        for name in ["checkpoint.note", "checkpoint.vkey"] where access(dataDirectory + "/" + name, R_OK) == 0 {
            files.append((name, dataDirectory + "/" + name, try FileHash.size(of: dataDirectory + "/" + name)))
        }
        var time = Timestamp(rawValue: 0)
        try reader.forEach(from: identity.applied, through: identity.applied) { event, _ in
            time = event.time
            return false
        }
        let manifest = SnapshotManifest(
            registryID: identity.registryID,
            epoch: identity.epoch,
            sequence: identity.applied,
            time: time,
            root: try reader.merkleRoot(at: identity.applied),
            stateDigest: stateDigest,
            instances: UInt64(instances),
            steps: try steps(reader, through: identity.applied),
            files: try files.map { file in
                SnapshotManifest.File(
                    name: file.name,
                    size: file.size,
                    sha256: try FileHash.sha256(of: file.source, size: file.size).description
                )
            }
        )
        return (manifest, files.map(\.source))
    }

    private static func steps(_ reader: LogReader, through last: SequenceNumber) throws -> [SequenceNumber] {
        var found: [SequenceNumber] = []
        try reader.forEach(of: [.clockStepped, .registryRestored], from: SequenceNumber(1), through: last) { event in
            found.append(event.sequence)
            return true
        }
        return found
    }

    /// What goes on record of a snapshot that was written.
    public static func record(of path: String, _ manifest: SnapshotManifest) throws -> SnapshotRecord {
        SnapshotRecord(
            file: String(path.split(separator: "/").last ?? ""),
            sequence: manifest.sequence,
            sha256: try FileHash.sha256(of: path).bytes,
            bytes: try FileHash.size(of: path),
            manifestSHA256: try manifest.sha256.bytes
        )
    }

    /// Whether what was written is what was meant: every file's bytes against the hashes that were taken of their sources.
    private static func readBack(_ path: String, _ written: SnapshotManifest) throws {
        let archive = try ArchiveReader(path: path)
        guard try manifest(of: archive, path) == written else {
            throw ReplayError(.unreadable, "\(path): the manifest is not the one that was written")
        }
        try forEachFile(of: archive, written, path) { file, entry in
            let hasher = try SHA256Hasher()
            try archive.content(of: entry) { hasher.update($0) }
            return hasher.finalize()
        }
    }

    // MARK: Reading

    /// What a snapshot says of itself.
    public static func inspect(_ path: String) throws -> SnapshotManifest {
        try manifest(of: try ArchiveReader(path: path), path)
    }

    private static func manifest(of archive: ArchiveReader, _ path: String) throws -> SnapshotManifest {
        guard let first = try archive.next(), first.name == SnapshotManifest.name, first.size <= 16 * 1_024 * 1_024
        else {
            throw ReplayError(.unreadable, "\(path) is no snapshot: it does not begin with a manifest")
        }
        var bytes: [UInt8] = []
        try archive.content(of: first) { bytes += $0 }
        return try SnapshotManifest(json: bytes)
    }

    /// Whether everything in it is what it was when it was written: each file's hash, then the log, root and state digest
    /// from what the files hold.
    public static func verify(_ path: String) throws -> SnapshotManifest {
        let work = path + ".verify"
        WorkDirectory.remove(work)
        try WorkDirectory.make(work)
        defer { WorkDirectory.remove(work) }
        let manifest = try extract(path, to: work)
        var digest = try ViewDigest()
        let view = try RegistryView.open(directory: work + "/view/0", access: .readOnly)
        let (identity, stateDigest) = try view.read { ($0.identity, try digest.update($0)) }
        guard identity.applied == manifest.sequence, identity.epoch == manifest.epoch,
            stateDigest == manifest.stateDigest
        else { throw ReplayError(.unreadable, "\(path): the view is not the one that the manifest names") }
        let result = try LogVerification.run(try AuditSource(dataDirectory: work))
        if let problem = result.problems.first {
            throw ReplayError(.unreadable, "\(path): \(problem.what)", hint: "hms-replay verify --snapshot \(path)")
        }
        let reader = try LogReader(directory: work + "/log", stream: .log)
        guard try reader.merkleRoot(at: manifest.sequence) == manifest.root else {
            throw ReplayError(.unreadable, "\(path): the log's root is not the one that the manifest names")
        }
        return manifest
    }

    /// Puts its files into a directory that is there, each checked against its hash.
    @discardableResult
    public static func extract(_ path: String, to directory: String) throws -> SnapshotManifest {
        let archive = try ArchiveReader(path: path)
        let manifest = try manifest(of: archive, path)
        try WorkDirectory.make(directory, "log", "view", "view/0")
        for file in manifest.files where !isKnown(file.name) {
            throw ReplayError(.unreadable, "\(path) names a file \(file.name)")
        }
        try forEachFile(of: archive, manifest, path) { try write(archive, $1, to: directory + "/" + $0.name) }
        return manifest
    }

    /// Puts only its view into a directory that is there, checked against the hash that the manifest names; what comes
    /// behind it is not read.
    static func extractView(_ path: String, to directory: String) throws -> SnapshotManifest {
        let archive = try ArchiveReader(path: path)
        let manifest = try manifest(of: archive, path)
        guard let file = manifest.files.first, file.name == view, let entry = try archive.next(), entry.name == view,
            entry.size == file.size
        else { throw ReplayError(.unreadable, "\(path): \(view) is not where the manifest says") }
        try WorkDirectory.make(directory, "view", "view/0")
        try check(file, try write(archive, entry, to: directory + "/" + file.name), path)
        return manifest
    }

    /// All that the manifest names, in its order, and nothing else.
    ///
    /// - Parameter hash: takes the content and says its hash, which must be the file's.
    private static func forEachFile(
        of archive: ArchiveReader,
        _ manifest: SnapshotManifest,
        _ path: String,
        _ hash: (SnapshotManifest.File, ArchiveReader.Entry) throws -> SHA256Digest
    ) throws {
        for file in manifest.files {
            guard let entry = try archive.next(), entry.name == file.name, entry.size == file.size else {
                throw ReplayError(.unreadable, "\(path): \(file.name) is not where the manifest says")
            }
            try check(file, try hash(file, entry), path)
        }
        guard try archive.next() == nil else {
            throw ReplayError(.unreadable, "\(path) holds more than its manifest names")
        }
    }

    private static func check(_ file: SnapshotManifest.File, _ hash: SHA256Digest, _ path: String) throws {
        guard hash.description == file.sha256 else {
            throw ReplayError(.unreadable, "\(path): \(file.name) is not what was written")
        }
    }

    private static func write(
        _ archive: ArchiveReader,
        _ entry: ArchiveReader.Entry,
        to path: String
    ) throws -> SHA256Digest {
        let target = try OutputFile(path: path)
        try archive.content(of: entry) { try target.write($0) }
        return try target.finish()
    }

    /// Names of ours and no others: nothing in an archive decides where a file goes.
    private static func isKnown(_ name: String) -> Bool {
        if [view, "checkpoint.note", "checkpoint.vkey"].contains(name) { return true }
        guard name.hasPrefix("log/"), name.hasSuffix(".hmslog.zst") else { return false }
        let digits = name.dropFirst(4).dropLast(".hmslog.zst".count)
        return digits.utf8.count == 20
            && digits.utf8.allSatisfy { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }
    }
}

/// Directories that live as long as a piece of work.
package enum WorkDirectory {
    /// Makes a directory, mode 0700, and those named in it.
    static func make(_ path: String, _ inner: String...) throws {
        for directory in [path] + inner.map({ path + "/" + $0 }) {
            guard mkdir(directory, 0o700) == 0 || errno == EEXIST else {
                throw ReplayError(.unreadable, "can't make \(directory): \(String(cString: strerror(errno)))")
            }
        }
    }

    /// Removes a tree; what is not there is no matter.
    static func remove(_ path: String) {
        for name in entries(path) {
            let entry = path + "/" + name
            if isDirectory(entry) { remove(entry) } else { unlink(entry) }
        }
        rmdir(path)
    }

    /// Not where it is a link to one, unless the path ends with a slash.
    package static func isDirectory(_ path: String) -> Bool {
        var status = stat()
        return lstat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFDIR
    }

    package static func entries(_ path: String) -> [String] {
        guard let stream = opendir(path) else { return [] }
        defer { closedir(stream) }
        var names: [String] = []
        while let entry = readdir(stream) {
            let name = withUnsafeBytes(of: entry.pointee.d_name) { bytes in
                String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
            }
            if name != ".", name != ".." { names.append(name) }
        }
        return names
    }
}

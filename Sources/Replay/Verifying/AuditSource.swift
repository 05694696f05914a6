public import EventLog
import Glibc
import MaterializedView
public import RegistryModel

/// Where history is read from: a data directory, live or a copy, or a directory of segments alone.
public struct AuditSource: Sendable {
    /// Decisions.
    public let log: String
    /// Heartbeats; nil where there are none beside the log.
    public let beats: String?
    /// The last checkpoint that the registry signed; nil where there is none.
    public let checkpoint: String?
    /// The public key that lies beside it: worth nothing as an anchor, since whoever can change the log can change it.
    public let key: String?
    /// What is known to have been durable, and whether the last owner closed everything.
    public let knownDurable: SequenceNumber
    public let isClosed: Bool
    /// As it was named.
    public let name: String
    /// Directories in which snapshots of this registry may lie.
    public let snapshots: [String]
    private var unpacked: TemporaryDirectory?
    /// Segments that were named one by one, by where they are read from.
    private var fileNames: [String: String] = [:]

    /// - Parameter snapshots: a directory of snapshots beside the one in the data directory.
    /// - Throws: `file-failed` where there is no log.
    public init(dataDirectory path: String, snapshots: String? = nil) throws {
        let log = path + "/log"
        guard access(log, R_OK) == 0 else {
            throw EventLogError(
                .fileFailed,
                "\(path) holds no registry: \(String(cString: strerror(errno)))",
                path: path
            )
        }
        let mark = ViewMark(directory: path + "/view/0")
        let epoch = try? LogReader(directory: log, stream: .log).identity?.epoch
        let isOwn = mark != nil && mark?.epoch == epoch
        let note = Self.existing(path + "/checkpoint.note").flatMap { try? Self.checkpoint(in: $0) }
        let isSameEpoch = note.map { $0.origin.hasSuffix("/\(epoch.map { "\($0)" } ?? "")") } ?? false
        name = path
        self.snapshots = [Self.existing(path + "/snapshots"), snapshots].compactMap { $0 }.uniqued
        self.log = log
        beats = Self.existing(path + "/beats")
        checkpoint = Self.existing(path + "/checkpoint.note")
        key = Self.existing(path + "/checkpoint.vkey")
        isClosed = isOwn && mark?.isClean == true
        knownDurable = max(
            isOwn ? mark?.sequence ?? .none : .none,
            isSameEpoch ? note?.size ?? .none : .none
        )
    }

    /// A snapshot's files, in a directory of their own for as long as this source or a copy of it lives.
    public init(snapshot path: String) throws {
        let unpacked = try TemporaryDirectory()
        try SnapshotArchive.extract(path, to: unpacked.path)
        try self.init(dataDirectory: unpacked.path)
        self.unpacked = unpacked
    }

    /// - Parameters:
    ///   - path: a directory that holds segments, and nothing else of interest.
    ///   - snapshots: a directory of snapshots of the same registry.
    public init(logDirectory path: String, snapshots: String? = nil) throws {
        guard try !LogReader(directory: path, stream: .log).segments().isEmpty else {
            throw EventLogError(.fileFailed, "\(path) holds no segments of a log", path: path)
        }
        name = path
        self.snapshots = [snapshots].compactMap { $0 }
        log = path
        beats = nil
        checkpoint = nil
        key = nil
        knownDurable = .none
        isClosed = false
    }

    /// Segments in files of any name, of decisions and, where they are given, of heartbeats.
    public init(segments paths: [String], snapshots: String? = nil) throws {
        let directory = try TemporaryDirectory()
        try WorkDirectory.make(directory.path, "log", "beats")
        var hasBeats = false
        var names: [String: String] = [:]
        for path in paths {
            let header = try LogReader.header(ofSegmentAt: path)
            let link = LogReader.path(
                of: header.first,
                in: directory.path + (header.stream == .beats ? "/beats" : "/log")
            )
            guard let target = realpath(path, nil) else {
                throw EventLogError(.fileFailed, "can't open \(path): \(String(cString: strerror(errno)))", path: path)
            }
            defer { free(target) }
            guard symlink(target, link) == 0 else {
                throw ReplayError(.usage, "\(path) begins with \(header.first), as \(names[link] ?? "another") does")
            }
            names[link] = path
            if header.stream == .beats { hasBeats = true }
        }
        name = paths.count == 1 ? paths[0] : "\(paths.count) segments"
        log = directory.path + "/log"
        beats = hasBeats ? directory.path + "/beats" : nil
        self.snapshots = [snapshots].compactMap { $0 }
        checkpoint = nil
        key = nil
        knownDurable = .none
        isClosed = false
        unpacked = directory
        fileNames = names
        guard try !logReader().segments().isEmpty else {
            throw ReplayError(.usage, "among \(name) there is no segment of decisions, only heartbeats")
        }
    }

    /// A file as it was named by whoever asks.
    func shown(_ path: String) -> String {
        fileNames[path] ?? path
    }

    private static func existing(_ path: String) -> String? {
        access(path, R_OK) == 0 ? path : nil
    }

    static func checkpoint(in path: String) throws -> Checkpoint {
        try Checkpoint(text: try SignedNote(parsing: try SmallFile.read(path)).text)
    }

    /// When history begins; nil for an empty log.
    public var firstTime: Timestamp? {
        get throws {
            var found: Timestamp?
            try logReader().forEach(from: SequenceNumber(1)) { event, _ in
                found = event.time
                return false
            }
            return found
        }
    }

    public func logReader() throws -> LogReader {
        try LogReader(directory: log, stream: .log)
    }

    /// nil where no heartbeats are held.
    public func beatsReader() throws -> LogReader? {
        try beats.map { try LogReader(directory: $0, stream: .beats) }
    }
}

extension [String] {
    /// Each once, in order.
    fileprivate var uniqued: [String] {
        var seen: Set<String> = []
        return filter { seen.insert($0).inserted }
    }
}

import CLMDB
import Glibc

/// The materialized view of a log: what everybody reads.
///
/// One writer at a time, on one thread; any number of readers, which see the view as of the last commit and never wait.
/// It is disposable: whatever is wrong with it, the log makes it anew.
public final class RegistryView: Sendable {
    public struct Options: Sendable {
        /// Addresses reserved for the map: the file is as small as its content, and never has to grow under readers.
        public var mapBytes: Int
        public var maximumReaders: UInt32

        public init(mapBytes: Int = 1 << 40, maximumReaders: UInt32 = 4_096) {
            self.mapBytes = mapBytes
            self.maximumReaders = maximumReaders
        }

        /// Where the address space is limited (`ulimit -v`).
        static let smallerMapBytes = 1 << 36
    }

    public enum Access: Sendable, Equatable {
        case readWrite
        case readOnly
    }

    private let environment: LMDBEnvironment
    private let databases: ViewSchema.Databases
    private let pool: ReadTransactionPool
    public let directory: String

    /// Opens the view in `directory`, or makes one. Whether it fits its log is for ``ViewMark/judge(_:)`` to say.
    ///
    /// - Throws: `missing` where there is none to read, `storage` where LMDB refuses.
    public static func open(
        directory: String,
        access: Access,
        options: Options = Options()
    ) throws(ViewError) -> RegistryView {
        if access == .readOnly, Glibc.access(directory + "/data.mdb", R_OK) != 0 {
            throw ViewError(.missing, "there is no view in \(directory)")
        }
        if access == .readWrite { _ = mkdir(directory, 0o700) }
        do {
            return try RegistryView(directory, access, options)
        } catch let error where error.cause?.code == ENOMEM && options.mapBytes > Options.smallerMapBytes {
            var smaller = options
            smaller.mapBytes = Options.smallerMapBytes
            return try RegistryView(directory, access, smaller)
        }
    }

    private init(_ directory: String, _ access: Access, _ options: Options) throws(ViewError) {
        self.directory = directory
        environment = try viewing { () throws(LMDBError) in
            try LMDBEnvironment(
                directory: directory,
                isReadOnly: access == .readOnly,
                mapBytes: options.mapBytes,
                maximumReaders: options.maximumReaders,
                databases: ViewSchema.databases
            )
        }
        pool = ReadTransactionPool(environment)
        databases = try Self.openDatabases(environment, access)
    }

    private static func openDatabases(
        _ environment: LMDBEnvironment,
        _ access: Access
    ) throws(ViewError) -> ViewSchema.Databases {
        try viewing { () throws(LMDBError) in
            switch access {
            case .readWrite:
                let transaction = try LMDBWriteTransaction(in: environment)
                let opened = try ViewSchema.Databases(transaction.access, creating: true)
                try transaction.commit()
                return opened
            case .readOnly:
                // Handles opened in a read transaction stay good once it is committed.
                var begun: OpaquePointer?
                try LMDBError.check(
                    mdb_txn_begin(environment.pointer, nil, UInt32(MDB_RDONLY), &begun),
                    "mdb_txn_begin"
                )
                guard let begun else { throw LMDBError(code: ENOMEM, function: "mdb_txn_begin") }
                do throws(LMDBError) {
                    let opened = try ViewSchema.Databases(LMDBAccess(pointer: begun), creating: false)
                    try LMDBError.check(mdb_txn_commit(begun), "mdb_txn_commit")
                    return opened
                } catch {
                    mdb_txn_abort(begun)
                    throw error
                }
            }
        }
    }

    // MARK: Reading

    /// A consistent sight of the view for the time of `body`, which must not wait for anything.
    public func read<R>(_ body: (borrowing ViewSnapshot) throws -> R) throws -> R {
        do {
            return try pool.withReader { reader in
                try body(try ViewSnapshot(reader, databases))
            }
        } catch let error as LMDBError {
            throw ViewError(error)
        }
    }

    /// Which log it belongs to and how far it has come; nil for one that was just made.
    public func identity() throws -> ViewIdentity? {
        do {
            return try pool.withReader { reader in
                try ViewSchema.withKey(ViewSchema.MetaKey.identity.rawValue) { key in
                    try reader.access.withValue(databases.meta, key) { try ViewMeta.identity($0) }
                }
            }
        } catch let error as LMDBError {
            throw ViewError(error)
        }
    }

    // MARK: Writing

    /// One write transaction, on the calling thread, which may block in `body` (for the log's sync, say). Where `body`
    /// or `gate` throws, nothing of it happened.
    ///
    /// - Parameter gate: is handed the commit itself, to make it one step with something of its own.
    public func write<R>(
        _ body: (inout LMDBRecordStore) throws -> R,
        committing gate: (_ commit: () throws -> Void) throws -> Void
    ) throws -> R {
        let transaction = try viewing { () throws(LMDBError) in try LMDBWriteTransaction(in: environment) }
        var store = LMDBRecordStore(transaction.access, databases)
        let result = try body(&store)
        try store.flush()
        var open: LMDBWriteTransaction? = consume transaction
        try gate {
            guard let committing = open.take() else { return }
            do throws(LMDBError) {
                try committing.commit()
            } catch {
                throw ViewError(error)
            }
        }
        return result
    }

    public func write<R>(_ body: (inout LMDBRecordStore) throws -> R) throws -> R {
        try write(body) { commit in try commit() }
    }

    // MARK: Care

    public func sync() throws(ViewError) {
        try viewing { () throws(LMDBError) in try environment.sync() }
    }

    /// Frees the slots of readers whose process is gone; how many there were.
    @discardableResult
    public func clearDeadReaders() throws(ViewError) -> Int {
        try viewing { () throws(LMDBError) in try environment.clearDeadReaders() }
    }

    /// Size of the view's file.
    public var diskBytes: UInt64 {
        let statistics = environment.statistics
        return UInt64(statistics.usedPages) * UInt64(statistics.pageBytes)
    }

    /// A compacted copy in a directory that is there and holds none; readers and the writer go on.
    public func copyCompacted(to directory: String) throws(ViewError) {
        try viewing { () throws(LMDBError) in try environment.copyCompacted(to: directory) }
    }

    /// Deletes the view's files. Nobody may have it open.
    public static func discard(directory: String) {
        for file in ["data.mdb", "lock.mdb", "mark"] { unlink(directory + "/" + file) }
    }

    /// Writes a compacted copy in place of a file of which over half is free. Nobody may have it open.
    ///
    /// - Returns: whether it did.
    @discardableResult
    public static func compactIfHalfFree(directory: String) throws(ViewError) -> Bool {
        let copy = directory + "/compact"
        do {
            let view = try open(directory: directory, access: .readWrite)
            guard try view.isHalfFree() else { return false }
            _ = mkdir(copy, 0o700)
            unlink(copy + "/data.mdb")
            try viewing { () throws(LMDBError) in try view.environment.copyCompacted(to: copy) }
        }
        // The mark still says that everything was synced.
        guard syncFile(copy + "/data.mdb"), rename(copy + "/data.mdb", directory + "/data.mdb") == 0 else {
            throw ViewError(.storage, "\(directory): \(String(cString: strerror(errno)))")
        }
        rmdir(copy)
        return true
    }

    private func isHalfFree() throws(ViewError) -> Bool {
        try converting {
            try pool.withReader { reader in
                // The free list's values are arrays of page numbers behind their length (LMDB's FREE_DBI is 0).
                var free = 0
                let list = LMDBDatabase(handle: 0)
                try reader.access.scan(list, from: UnsafeRawBufferPointer(start: nil, count: 0)) { _, value in
                    if value.count >= MemoryLayout<Int>.size { free += value.loadUnaligned(as: Int.self) }
                    return true
                }
                return free > 1_024 && free * 2 > environment.statistics.usedPages
            }
        }
    }
}

private func syncFile(_ path: String) -> Bool {
    let descriptor = open(path, O_RDWR | O_CLOEXEC)
    guard descriptor >= 0 else { return false }
    defer { close(descriptor) }
    return fdatasync(descriptor) == 0
}

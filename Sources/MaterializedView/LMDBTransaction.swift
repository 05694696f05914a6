import CLMDB
import Glibc

/// A named sub-database, valid as long as its environment.
struct LMDBDatabase: Sendable {
    let handle: MDB_dbi
}

/// A write transaction; forgetting to commit it aborts it. It must stay on the thread that began it.
struct LMDBWriteTransaction: ~Copyable {
    private let pointer: OpaquePointer

    init(in environment: LMDBEnvironment) throws(LMDBError) {
        var begun: OpaquePointer?
        try LMDBError.check(mdb_txn_begin(environment.pointer, nil, 0, &begun), "mdb_txn_begin")
        guard let begun else { throw LMDBError(code: ENOMEM, function: "mdb_txn_begin") }
        pointer = begun
    }

    deinit {
        mdb_txn_abort(pointer)
    }

    /// What reads and writes go through; not to outlive the transaction.
    var access: LMDBAccess {
        LMDBAccess(pointer: pointer)
    }

    consuming func commit() throws(LMDBError) {
        let pointer = pointer
        discard self
        try LMDBError.check(mdb_txn_commit(pointer), "mdb_txn_commit")
    }
}

/// Reads and writes within a transaction that somebody else owns. Memory that it shows is LMDB's own: it is valid only
/// inside the closure, and until the next write.
struct LMDBAccess {
    let pointer: OpaquePointer

    func open(_ name: String, creating: Bool) throws(LMDBError) -> LMDBDatabase {
        var handle: MDB_dbi = 0
        let flags = creating ? UInt32(MDB_CREATE) : 0
        try LMDBError.check(mdb_dbi_open(pointer, name, flags, &handle), "mdb_dbi_open")
        return LMDBDatabase(handle: handle)
    }

    func withValue<R>(
        _ database: LMDBDatabase,
        _ key: UnsafeRawBufferPointer,
        _ body: (UnsafeRawBufferPointer) throws -> R
    ) throws -> R? {
        var key = MDB_val(key)
        var value = MDB_val()
        let code = mdb_get(pointer, database.handle, &key, &value)
        guard code != LMDBError.notFound else { return nil }
        try LMDBError.check(code, "mdb_get")
        return try body(UnsafeRawBufferPointer(value))
    }

    /// Replaces. LMDB keeps a copy.
    func put(
        _ database: LMDBDatabase,
        _ key: UnsafeRawBufferPointer,
        _ value: UnsafeRawBufferPointer
    ) throws(LMDBError) {
        var key = MDB_val(key)
        var value = MDB_val(value)
        try LMDBError.check(mdb_put(pointer, database.handle, &key, &value, 0), "mdb_put")
    }

    /// Does nothing where there is none.
    func delete(_ database: LMDBDatabase, _ key: UnsafeRawBufferPointer) throws(LMDBError) {
        var key = MDB_val(key)
        let code = mdb_del(pointer, database.handle, &key, nil)
        guard code != LMDBError.notFound else { return }
        try LMDBError.check(code, "mdb_del")
    }

    func entries(_ database: LMDBDatabase) throws(LMDBError) -> Int {
        var stat = MDB_stat()
        try LMDBError.check(mdb_stat(pointer, database.handle, &stat), "mdb_stat")
        return stat.ms_entries
    }

    /// Walks over keys from `start` on, in order, until `body` returns false.
    func scan(
        _ database: LMDBDatabase,
        from start: UnsafeRawBufferPointer,
        _ body: (_ key: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer) throws -> Bool
    ) throws {
        let cursor = try LMDBCursor(self, database)
        try cursor.scan(from: start, body)
    }
}

extension MDB_val {
    init(_ bytes: UnsafeRawBufferPointer) {
        // LMDB writes through neither a key nor a value that it is given.
        self.init(mv_size: bytes.count, mv_data: UnsafeMutableRawPointer(mutating: bytes.baseAddress))
    }
}

extension UnsafeRawBufferPointer {
    init(_ value: MDB_val) {
        self.init(start: value.mv_data, count: value.mv_size)
    }
}

import CLMDB
import Glibc

/// A cursor of one transaction; closed with this value.
struct LMDBCursor: ~Copyable {
    let pointer: OpaquePointer

    init(_ access: LMDBAccess, _ database: LMDBDatabase) throws(LMDBError) {
        var opened: OpaquePointer?
        try LMDBError.check(mdb_cursor_open(access.pointer, database.handle, &opened), "mdb_cursor_open")
        guard let opened else { throw LMDBError(code: ENOMEM, function: "mdb_cursor_open") }
        pointer = opened
    }

    deinit {
        mdb_cursor_close(pointer)
    }

    /// Makes a cursor of a read transaction good for another one.
    func renew(in access: LMDBAccess) throws(LMDBError) {
        try LMDBError.check(mdb_cursor_renew(access.pointer, pointer), "mdb_cursor_renew")
    }

    func scan(
        from start: UnsafeRawBufferPointer,
        _ body: (_ key: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer) throws -> Bool
    ) throws {
        var key = MDB_val(start)
        var value = MDB_val()
        // A key of no bytes is not allowed; it means the beginning.
        var operation = start.isEmpty ? MDB_FIRST : MDB_SET_RANGE
        while true {
            let code = mdb_cursor_get(pointer, &key, &value, operation)
            guard code != LMDBError.notFound else { return }
            try LMDBError.check(code, "mdb_cursor_get")
            guard try body(UnsafeRawBufferPointer(key), UnsafeRawBufferPointer(value)) else { return }
            operation = MDB_NEXT
        }
    }
}

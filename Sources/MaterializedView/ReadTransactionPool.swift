import CLMDB
import Glibc
import Synchronization

/// Read transactions, kept and renewed instead of begun anew: a renewal takes no lock and no memory.
final class ReadTransactionPool: Sendable {
    /// Idle transactions kept; more readers than that at once begin and end their own.
    static let idle = 64

    /// A read transaction with a cursor over instances. One user at a time.
    final class Reader: @unchecked Sendable {  // the pool gives it to one thread at a time; MDB_NOTLS ties it to none
        let access: LMDBAccess
        private var cursor: OpaquePointer?
        /// Kept open until the last transaction has ended: ending one writes into the environment's own memory.
        private let environment: LMDBEnvironment

        fileprivate init(_ environment: LMDBEnvironment) throws(LMDBError) {
            self.environment = environment
            var begun: OpaquePointer?
            try LMDBError.check(
                mdb_txn_begin(environment.pointer, nil, UInt32(MDB_RDONLY), &begun),
                "mdb_txn_begin"
            )
            guard let begun else { throw LMDBError(code: ENOMEM, function: "mdb_txn_begin") }
            access = LMDBAccess(pointer: begun)
        }

        deinit {
            if let cursor { mdb_cursor_close(cursor) }
            mdb_txn_abort(access.pointer)
        }

        fileprivate func renew() throws(LMDBError) {
            try LMDBError.check(mdb_txn_renew(access.pointer), "mdb_txn_renew")
            if let cursor { try LMDBError.check(mdb_cursor_renew(access.pointer, cursor), "mdb_cursor_renew") }
        }

        fileprivate func reset() {
            mdb_txn_reset(access.pointer)
        }

        /// The reader's own cursor, opened when first needed.
        func instancesCursor(_ database: LMDBDatabase) throws(LMDBError) -> OpaquePointer {
            if let cursor { return cursor }
            var opened: OpaquePointer?
            try LMDBError.check(mdb_cursor_open(access.pointer, database.handle, &opened), "mdb_cursor_open")
            guard let opened else { throw LMDBError(code: ENOMEM, function: "mdb_cursor_open") }
            cursor = opened
            return opened
        }
    }

    private let environment: LMDBEnvironment
    private let readers = Mutex<[Reader]>([])

    init(_ environment: LMDBEnvironment) {
        self.environment = environment
    }

    func withReader<R>(_ body: (Reader) throws -> R) throws -> R {
        let reader = try take()
        defer { giveBack(reader) }
        return try body(reader)
    }

    private func take() throws(LMDBError) -> Reader {
        guard let reader = readers.withLock({ $0.popLast() }) else { return try Reader(environment) }
        try reader.renew()
        return reader
    }

    private func giveBack(_ reader: Reader) {
        reader.reset()
        readers.withLock { readers in
            if readers.count < Self.idle { readers.append(reader) }
        }
    }
}

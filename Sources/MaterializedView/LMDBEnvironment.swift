import CLMDB
import Glibc

/// One LMDB environment: a directory with `data.mdb` and `lock.mdb`.
///
/// A process must not open the same directory twice (LMDB, "Caveats").
final class LMDBEnvironment: @unchecked Sendable {  // all threads may use an MDB_env (lmdb.h, "Multi-threading")
    let pointer: OpaquePointer

    /// Opens or, when it may write, creates the environment.
    ///
    /// Not synced at commit (`MDB_NOSYNC`): the log is the truth, and a view that a power cut tore is rebuilt from it.
    /// Readers are not tied to threads (`MDB_NOTLS`), so a pool can hand them around.
    init(
        directory: String,
        isReadOnly: Bool,
        mapBytes: Int,
        maximumReaders: UInt32,
        databases: UInt32
    ) throws(LMDBError) {
        var created: OpaquePointer?
        try LMDBError.check(mdb_env_create(&created), "mdb_env_create")
        guard let created else { throw LMDBError(code: ENOMEM, function: "mdb_env_create") }
        do {
            try LMDBError.check(mdb_env_set_mapsize(created, mapBytes), "mdb_env_set_mapsize")
            try LMDBError.check(mdb_env_set_maxreaders(created, maximumReaders), "mdb_env_set_maxreaders")
            try LMDBError.check(mdb_env_set_maxdbs(created, databases), "mdb_env_set_maxdbs")
            let flags = MDB_NOTLS | MDB_NOSYNC | MDB_NOMETASYNC | MDB_NORDAHEAD | (isReadOnly ? MDB_RDONLY : 0)
            try LMDBError.check(mdb_env_open(created, directory, UInt32(flags), 0o600), "mdb_env_open")
        } catch {
            mdb_env_close(created)
            throw error
        }
        pointer = created
    }

    deinit {
        mdb_env_close(pointer)
    }

    /// Syncs everything to disk.
    func sync() throws(LMDBError) {
        try LMDBError.check(mdb_env_sync(pointer, 1), "mdb_env_sync")
    }

    /// A compacted copy into an empty directory; readers and the writer go on.
    func copyCompacted(to directory: String) throws(LMDBError) {
        try LMDBError.check(mdb_env_copy2(pointer, directory, UInt32(MDB_CP_COMPACT)), "mdb_env_copy2")
    }

    /// Frees the slots of readers whose process is gone.
    func clearDeadReaders() throws(LMDBError) -> Int {
        var dead: Int32 = 0
        try LMDBError.check(mdb_reader_check(pointer, &dead), "mdb_reader_check")
        return Int(dead)
    }

    var statistics: (usedPages: Int, pageBytes: Int, lastTransaction: Int) {
        var info = MDB_envinfo()
        var stat = MDB_stat()
        guard mdb_env_info(pointer, &info) == MDB_SUCCESS, mdb_env_stat(pointer, &stat) == MDB_SUCCESS else {
            return (0, 0, 0)
        }
        return (info.me_last_pgno + 1, Int(stat.ms_psize), info.me_last_txnid)
    }
}

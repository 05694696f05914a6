import CLMDB
import TestSupport
import Testing

@testable import MaterializedView

@Suite("LMDB transactions")
struct LMDBTransactionTests {
    private func withDatabase(_ body: (LMDBEnvironment, LMDBDatabase) throws -> Void) throws {
        try withTemporaryDirectory { directory in
            let environment = try LMDBEnvironment(
                directory: directory,
                isReadOnly: false,
                mapBytes: 1 << 24,
                maximumReaders: 16,
                databases: 2
            )
            let transaction = try LMDBWriteTransaction(in: environment)
            let database = try transaction.access.open("rows", creating: true)
            try transaction.commit()
            try body(environment, database)
        }
    }

    private func put(_ access: LMDBAccess, _ database: LMDBDatabase, _ key: String, _ value: String) throws {
        try ViewSchema.withKey(key) { key in
            try ViewSchema.withKey(value) { value in try access.put(database, key, value) }
        }
    }

    private func value(_ access: LMDBAccess, _ database: LMDBDatabase, _ key: String) throws -> String? {
        try ViewSchema.withKey(key) { key in
            try access.withValue(database, key) { String(decoding: $0, as: UTF8.self) }
        }
    }

    @Test("what is committed is there")
    func commit() throws {
        try withDatabase { environment, database in
            let writing = try LMDBWriteTransaction(in: environment)
            try put(writing.access, database, "a", "1")
            try writing.commit()
            let reading = try LMDBWriteTransaction(in: environment)
            #expect(try value(reading.access, database, "a") == "1")
        }
    }

    @Test("a transaction that is forgotten never happened, and does not block the next")
    func forgotten() throws {
        try withDatabase { environment, database in
            do {
                let forgotten = try LMDBWriteTransaction(in: environment)
                try put(forgotten.access, database, "a", "1")
                #expect(try value(forgotten.access, database, "a") == "1")
            }
            let next = try LMDBWriteTransaction(in: environment)
            #expect(try value(next.access, database, "a") == nil)
        }
    }

    @Test("deleting what is not there does nothing")
    func deleteMissing() throws {
        try withDatabase { environment, database in
            let writing = try LMDBWriteTransaction(in: environment)
            try ViewSchema.withKey("none") { try writing.access.delete(database, $0) }
            #expect(try writing.access.entries(database) == 0)
        }
    }

    @Test("a scan goes on from the first key at or behind the start, and ends when told")
    func scan() throws {
        try withDatabase { environment, database in
            let writing = try LMDBWriteTransaction(in: environment)
            for key in ["b", "a", "d", "c"] { try put(writing.access, database, key, key) }
            var seen: [String] = []
            try ViewSchema.withKey("b") { start in
                try writing.access.scan(database, from: start) { key, _ in
                    seen.append(String(decoding: key, as: UTF8.self))
                    return seen.count < 2
                }
            }
            #expect(seen == ["b", "c"])
        }
    }

    @Test("a database that is not there is an error with LMDB's own words")
    func missingDatabase() throws {
        try withDatabase { environment, _ in
            let writing = try LMDBWriteTransaction(in: environment)
            #expect {
                _ = try writing.access.open("other", creating: false)
            } throws: { error in
                "\(error)".contains("mdb_dbi_open") && (error as? LMDBError)?.code == LMDBError.notFound
            }
        }
    }
}

import CLMDB

/// A return code of LMDB, or of the system below it, and what was being done.
public struct LMDBError: Error, Sendable, Equatable, CustomStringConvertible {
    public let code: Int32
    /// The C function that returned it.
    public let function: String

    public var description: String {
        "\(function): \(String(cString: mdb_strerror(code)))"
    }

    static let notFound = MDB_NOTFOUND

    /// Turns anything but success into an error.
    static func check(_ code: Int32, _ function: StaticString) throws(LMDBError) {
        guard code == MDB_SUCCESS else { throw LMDBError(code: code, function: "\(function)") }
    }
}

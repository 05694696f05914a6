/// Why the view could not be read or written.
public struct ViewError: Error, Sendable, Equatable, CustomStringConvertible {
    /// Kinds of error; new ones may come.
    public struct Code: Hashable, Sendable, CustomStringConvertible {
        public let description: String

        /// LMDB or the system refused.
        public static let storage = Code(description: "storage")
        /// What is there is not what this wrote: it must be rebuilt from the log.
        public static let suspect = Code(description: "suspect")
        /// There is no view in that directory.
        public static let missing = Code(description: "missing")
    }

    public let code: Code
    public let message: String
    /// LMDB's word on it, where it had one.
    public let cause: LMDBError?

    public init(_ code: Code, _ message: String, cause: LMDBError? = nil) {
        self.code = code
        self.message = message
        self.cause = cause
    }

    init(_ cause: LMDBError) {
        self.init(.storage, "the view: \(cause)", cause: cause)
    }

    static func suspect(_ what: String) -> ViewError {
        ViewError(.suspect, "view is suspect (\(what)): hms-replay rebuild, or a start of the daemon, makes it anew")
    }

    public var description: String {
        message
    }

    public static func == (lhs: ViewError, rhs: ViewError) -> Bool {
        lhs.code == rhs.code
    }
}

/// Runs `body`, whose errors are LMDB's, as part of the view.
func viewing<R: ~Copyable>(_ body: () throws(LMDBError) -> R) throws(ViewError) -> R {
    do {
        return try body()
    } catch {
        throw ViewError(error)
    }
}

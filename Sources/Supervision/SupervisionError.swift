import Glibc

/// Why a process could not be started, or what belongs to it not be made.
public struct SupervisionError: Error, Sendable, Equatable, CustomStringConvertible {
    /// Kinds of error; new ones may come.
    public struct Code: Hashable, Sendable, CustomStringConvertible {
        public let description: String

        /// There is no such program.
        public static let notFound = Code(description: "not-found")
        /// The program is there, and can't be run.
        public static let notRunnable = Code(description: "not-runnable")
        /// A directory or file can't be made.
        public static let storage = Code(description: "storage")
    }

    public let code: Code
    /// What is wrong, in words for people.
    public let message: String

    init(_ code: Code, _ message: String) {
        self.code = code
        self.message = message
    }

    /// As a shell ends when it can't run a program.
    public var shellCode: Int32 {
        code == .notFound ? 127 : 126
    }

    public var description: String {
        message
    }

    static func system(_ code: Code, _ what: String, _ number: Int32 = errno) -> SupervisionError {
        SupervisionError(code, "\(what): \(String(cString: strerror(number)))")
    }

    public static func == (lhs: SupervisionError, rhs: SupervisionError) -> Bool {
        lhs.code == rhs.code
    }
}

/// What is wrong with a value from outside, in words for whoever sent it.
public struct RegistryModelError: Error, Sendable, Equatable, CustomStringConvertible {
    /// Kinds of error; new ones may come.
    public struct Code: Hashable, Sendable, CustomStringConvertible {
        public let description: String

        /// A service name, instance id or other field that breaks its rule.
        public static let invalidField = Code(description: "invalid-field")
        /// A key that nothing here knows.
        public static let unknownField = Code(description: "unknown-field")
        /// A required key is not there.
        public static let missingField = Code(description: "missing-field")
        /// Text that is not JSON (RFC 8259), or nests too deep.
        public static let malformedJSON = Code(description: "malformed-json")
        /// Bytes that are not an event of this log.
        public static let malformedEvent = Code(description: "malformed-event")
        /// Bytes that are not packed heartbeats.
        public static let malformedHeartbeats = Code(description: "malformed-heartbeats")
    }

    public let code: Code
    /// What is wrong, and what would be right.
    public let message: String

    public init(_ code: Code, _ message: String) {
        self.code = code
        self.message = message
    }

    public var description: String {
        message
    }

    public static func == (lhs: RegistryModelError, rhs: RegistryModelError) -> Bool {
        lhs.code == rhs.code
    }
}

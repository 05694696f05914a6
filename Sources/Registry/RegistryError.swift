public import RegistryModel

/// Why the registry refused a command, or could not carry it out.
public struct RegistryError: Error, Sendable, Equatable, CustomStringConvertible {
    /// Kinds of error; new ones may come. The description is the API's `code`.
    public struct Code: Hashable, Sendable, CustomStringConvertible {
        public let description: String

        public static let badRequest = Code(description: "bad-request")
        public static let unknownService = Code(description: "unknown-service")
        public static let unknownInstance = Code(description: "unknown-instance")
        public static let unknownCertificate = Code(description: "unknown-certificate")
        /// The instance is of another key lineage.
        public static let notYours = Code(description: "not-yours")
        public static let notAllowed = Code(description: "not-allowed")
        /// A join token that is unknown, used up, at its end, or for something else.
        public static let badToken = Code(description: "bad-token")
        public static let tooManyTokens = Code(description: "too-many-tokens")
        public static let callerRevoked = Code(description: "caller-revoked")
        /// A newer incarnation has taken the instance over, or the ETag is of another epoch.
        public static let superseded = Code(description: "superseded")
        public static let tooManyInstances = Code(description: "too-many-instances")
        /// The writers' queue is full: try again a little later.
        public static let overloaded = Code(description: "overloaded")
        public static let stopping = Code(description: "stopping")
        /// The view failed; `outcome` says whether the events are on record.
        public static let viewFailed = Code(description: "view-failed")
        public static let logFailed = Code(description: "log-failed")
        public static let diskFull = Code(description: "disk-full")
        /// Somebody else listens where a door was to open.
        public static let addressTaken = Code(description: "address-taken")
        /// Another daemon holds the data directory.
        public static let alreadyHeld = Code(description: "already-held")
        /// The data directory can't be used: damaged, or not readable.
        public static let dataDirectory = Code(description: "data-directory")
    }

    public var code: Code
    /// What is wrong, in words for whoever asked.
    public var message: String
    /// What to do next, where there is something.
    public var hint: String?
    /// The service that is not known, so that whoever answers can name the nearest.
    public var missingService: ServiceName?
    /// The events are in the log although the command failed.
    public var isRecorded: Bool

    public init(_ code: Code, _ message: String, hint: String? = nil, isRecorded: Bool = false) {
        self.code = code
        self.message = message
        self.hint = hint
        self.isRecorded = isRecorded
    }

    public static func notYours(_ key: InstanceKey) -> RegistryError {
        RegistryError(
            .notYours,
            "\(key) was registered under another key: only whoever did that may change it",
            hint: "choose another id, or have an operator remove it: hms-reg remove \(key.service) \(key.id)"
        )
    }

    static func badToken(_ why: String) -> RegistryError {
        RegistryError(.badToken, "the join token \(why)", hint: "a new one: hms-reg token create --service NAME")
    }

    static func unknownService(_ name: ServiceName) -> RegistryError {
        var error = RegistryError(.unknownService, "no service \(name) is registered")
        error.missingService = name
        return error
    }

    static func unknownInstance(_ key: InstanceKey) -> RegistryError {
        RegistryError(
            .unknownInstance,
            "\(key.service) has no instance \(key.id)",
            hint: "which it has: hms-reg lookup \(key.service) --all"
        )
    }

    public var description: String {
        hint.map { "\(message)\n\($0)" } ?? message
    }

    public static func == (lhs: RegistryError, rhs: RegistryError) -> Bool {
        lhs.code == rhs.code
    }
}

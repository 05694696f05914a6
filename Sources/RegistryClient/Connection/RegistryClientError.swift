import RegistryModel

/// Why a registry did not do what was asked, or could not be asked.
public struct RegistryClientError: Error, Sendable, Equatable, CustomStringConvertible {
    /// Kinds of error; new ones may come. Those that the registry answers are its own (`docs/api.md`).
    public struct Code: Hashable, Sendable, CustomStringConvertible {
        public let description: String

        public init(_ description: String) {
            self.description = description
        }

        /// Nobody answers at the address.
        public static let unreachable = Code("unreachable")
        /// It answered too late, or not to the end.
        public static let interrupted = Code("interrupted")
        /// It answered what no registry answers.
        public static let malformedAnswer = Code("malformed-answer")
        /// Text that is no address of a registry.
        /// It is not the registry that is meant, or can't prove it: its root was not pinned.
        public static let untrustedRegistry = Code("untrusted-registry")
        /// It does not believe this side's certificate.
        public static let certificateRefused = Code("certificate-refused")
        public static let notAllowed = Code("not-allowed")
        /// An instance of another key lineage.
        public static let notYours = Code("not-yours")
        /// A join token that is unknown, used up, at its end, or for something else.
        public static let badToken = Code("bad-token")
        public static let badAddress = Code("bad-address")
        public static let unknownService = Code("unknown-service")
        public static let unknownInstance = Code("unknown-instance")
        public static let superseded = Code("superseded")
        public static let readOnlyDoor = Code("read-only-door")
        public static let badRequest = Code("bad-request")
    }

    public var code: Code
    public var message: String
    public var hint: String?
    /// Names near the one that is not known.
    public var nearest: [String]
    /// Of the answer; nil where there was none.
    public var status: Int?

    public init(_ code: Code, _ message: String, hint: String? = nil, nearest: [String] = [], status: Int? = nil) {
        self.code = code
        self.message = message
        self.hint = hint
        self.nearest = nearest
        self.status = status
    }

    /// The registry answered, or could not be believed: asking again the same way changes nothing.
    public var isRefusal: Bool {
        switch code {
        case .certificateRefused, .untrustedRegistry: true
        default: status.map { (400..<500).contains($0) } ?? false
        }
    }

    public var description: String {
        hint.map { "\(message) (\($0))" } ?? message
    }

    public static func == (lhs: RegistryClientError, rhs: RegistryClientError) -> Bool {
        lhs.code == rhs.code
    }

    /// From a problem document (RFC 9457), or what there is instead of one.
    init(problem body: [UInt8], status: Int) {
        var code = ""
        var detail = ""
        var hint: String?
        var nearest: [String] = []
        do {
            try JSONReader.parse(body) { (reader) throws(RegistryModelError) in
                try reader.object { (reader, name) throws(RegistryModelError) in
                    switch name {
                    case "code": code = try reader.string()
                    case "detail": detail = try reader.string()
                    case "hint": hint = try reader.string()
                    case "nearest": nearest = try reader.strings(limit: 16)
                    default: try reader.skip()
                    }
                }
            }
        } catch {
            detail = ""
        }
        guard !code.isEmpty, !detail.isEmpty else {
            self.init(.malformedAnswer, "the answer was \(status), without a word of explanation", status: status)
            return
        }
        self.init(Code(code), detail, hint: hint, nearest: nearest, status: status)
    }
}

/// What is wrong with an `hms.yml`: everything that was found, with its place.
///
/// ``rendered(_:_:)`` gives the lines that people read.
public struct ManifestError: Error, Sendable, Equatable, CustomStringConvertible {
    /// One thing that is wrong.
    public struct Diagnostic: Sendable, Equatable {
        /// Where it stands in the file.
        public struct Place: Sendable, Equatable {
            /// From 1.
            public var line: Int
            /// From 1, in Unicode scalars.
            public var column: Int
            /// Scalars that are meant, at least 1.
            public var length: Int
            /// The line's text.
            public var source: String
        }

        /// `unknown key mesh.retrys`
        public var message: String
        /// nil where the file as a whole is meant.
        public var place: Place?
        /// Stands behind the carets: `did you mean retries?`
        public var note: String?
        /// What to do, or what could stand there: `keys of mesh: retries, timeout, …`
        public var hint: String?
    }

    /// Kinds of error; new ones may come.
    public struct Code: Hashable, Sendable, CustomStringConvertible {
        public let description: String

        /// The file can't be read, is too large or no text.
        public static let unreadable = Code(description: "unreadable")
        /// Two files where one is meant.
        public static let ambiguous = Code(description: "ambiguous")
        /// The text is not YAML, or uses what isn't taken here.
        public static let malformed = Code(description: "malformed")
        /// A key or value breaks a rule.
        public static let invalid = Code(description: "invalid")
    }

    public var code: Code
    /// As it was named.
    public var file: String
    /// At least one, in the order of the file.
    public var diagnostics: [Diagnostic]

    init(_ code: Code, file: String, _ diagnostics: [Diagnostic]) {
        self.code = code
        self.file = file
        self.diagnostics = diagnostics
    }

    init(_ code: Code, file: String, _ message: String, hint: String? = nil) {
        self.init(code, file: file, [Diagnostic(message: message, hint: hint)])
    }

    /// One line each, without the source: for logs.
    public var description: String {
        diagnostics.map { place(of: $0) + $0.message }.joined(separator: "\n")
    }

    /// `hms.yml:6:3: `
    func place(of diagnostic: Diagnostic) -> String {
        diagnostic.place.map { "\(file):\($0.line):\($0.column): " } ?? "\(file): "
    }
}

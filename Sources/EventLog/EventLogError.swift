/// Why the log could not be read or written.
public struct EventLogError: Error, Sendable, Equatable, CustomStringConvertible {
    /// Kinds of error; new ones may come.
    public struct Code: Hashable, Sendable, CustomStringConvertible {
        public let description: String

        /// Bytes that were once durable are not what was written.
        public static let damaged = Code(description: "damaged")
        /// No room on the disk; nothing was written.
        public static let diskFull = Code(description: "disk-full")
        /// An fsync failed: what this process wrote can't be trusted, and no more is written.
        public static let syncFailed = Code(description: "sync-failed")
        /// A write failed, and was undone.
        public static let writeFailed = Code(description: "write-failed")
        /// A file can't be opened, read, renamed or made.
        public static let fileFailed = Code(description: "file-failed")
        /// An earlier failure left the log unusable for this process.
        public static let dead = Code(description: "dead")
        /// What was to be appended does not follow what is there.
        public static let outOfOrder = Code(description: "out-of-order")
        /// A note, key or proof that is not written as such.
        public static let malformed = Code(description: "malformed")
        /// zstd or OpenSSL refused.
        public static let codec = Code(description: "codec")
    }

    public let code: Code
    public let message: String
    /// The file it was about.
    public let path: String?
    /// Where in the file, in bytes.
    public let offset: UInt64?
    /// `errno`, where the system refused.
    public let errno: Int32?

    public init(_ code: Code, _ message: String, path: String? = nil, offset: UInt64? = nil, errno: Int32? = nil) {
        self.code = code
        self.message = message
        self.path = path
        self.offset = offset
        self.errno = errno
    }

    static func damaged(_ what: String, _ path: String, at offset: UInt64) -> EventLogError {
        EventLogError(
            .damaged,
            "\(path) is damaged at offset \(offset): \(what). Nothing was changed; see hms-replay verify",
            path: path,
            offset: offset
        )
    }

    public var description: String {
        message
    }

    public static func == (lhs: EventLogError, rhs: EventLogError) -> Bool {
        lhs.code == rhs.code
    }
}

import RegistryModel

/// Which lines of a sidecar's access log somebody wants to see. It goes with the question, so that what is not wanted is
/// never copied, sent or read.
public struct TailQuery: Sendable, Equatable {
    public enum Direction: String, Sendable {
        /// Requests that the sidecar's application makes.
        case outbound
        /// Requests that come to its application.
        case inbound
        case both
    }

    /// How a request, or one of its tries, ended.
    public enum Outcome: Sendable, Hashable {
        /// `503`
        case status(Int)
        /// `5xx`
        case statusClass(Int)
        /// What a try came to instead of a status (`refused`, `timeout`), or a code of the mesh's own (`breaker-open`).
        case word(String)

        /// What a try may come to, beside the codes of ``MeshErrorCode``.
        private static let tryWords = ["refused", "tls-failed", "reset", "malformed", "timeout", "caller-gone"]

        public static var words: [String] {
            Array(Set(tryWords + MeshErrorCode.allCases.map(\.rawValue))).sorted()
        }

        /// nil for what no request ends with.
        public init?(_ text: String) {
            if Self.words.contains(text) {
                self = .word(text)
                return
            }
            guard text.utf8.count == 3, let first = text.first?.wholeNumberValue, (1...5).contains(first) else {
                return nil
            }
            if text.hasSuffix("xx") {
                self = .statusClass(first)
            } else if let status = Int(text) {
                self = .status(status)
            } else {
                return nil
            }
        }

        public var description: String {
            switch self {
            case .status(let status): String(status)
            case .statusClass(let first): "\(first)xx"
            case .word(let word): word
            }
        }

        fileprivate func takes(_ status: Int?, _ word: String?) -> Bool {
            switch self {
            case .status(let wanted): status == wanted
            case .statusClass(let first): status.map { $0 / 100 == first } ?? false
            case .word(let wanted): word == wanted
            }
        }
    }

    /// Lines a second that one event loop of a sidecar sends unless it is asked for fewer; a second of them fits into a
    /// socket's buffers.
    public static let mostLinesPerSecond = 1_000
    /// Callers that ``knownCallers`` holds.
    private static let mostCallers = 256

    /// As caller or callee.
    public var service: String?
    public var from: String?
    /// Beginning of a path, as the log shows it.
    public var path: String?
    public var slowMicroseconds: Int64 = 0
    /// Any of them; empty: all.
    public var outcomes: [Outcome] = []
    /// One request alone.
    public var trace: String?
    public var direction = Direction.both
    /// Services whose own sidecars are looked at too: what comes from them is told there.
    public var knownCallers: Set<String> = []
    public var linesPerSecond = Self.mostLinesPerSecond

    public init() {}

    func takes(_ line: some TailSubject) -> Bool {
        switch direction {
        case .both: break
        case .outbound: guard line.isOutbound else { return false }
        case .inbound: guard !line.isOutbound else { return false }
        }
        if !line.isOutbound, !knownCallers.isEmpty, knownCallers.contains(line.from) { return false }
        if let trace, line.trace != trace { return false }
        return matches(line)
    }

    /// What a person asked for, whatever direction the line is of.
    public func matches(_ line: some TailSubject) -> Bool {
        if let service, line.from != service, line.to != service { return false }
        if let from, line.from != from { return false }
        if let path, !line.path.hasPrefix(path) { return false }
        if line.tookMicroseconds < slowMicroseconds { return false }
        guard !outcomes.isEmpty else { return true }
        return outcomes.contains { outcome in
            outcome.takes(line.status, line.error) || line.hasTry { outcome.takes($0, $1) }
        }
    }
}

/// A line that a ``TailQuery`` can be asked about.
public protocol TailSubject {
    var isOutbound: Bool { get }
    var from: String { get }
    var to: String { get }
    var path: String { get }
    var trace: String { get }
    var status: Int { get }
    /// The mesh's own code; nil where the application answered.
    var error: String? { get }
    var tookMicroseconds: Int64 { get }

    /// - Parameter isIt: gets a try's status, or what happened instead.
    func hasTry(_ isIt: (Int?, String?) -> Bool) -> Bool
}

extension AccessRecord: TailSubject {
    var isOutbound: Bool { direction == .outbound }
    var tookMicroseconds: Int64 { took.microseconds }
    var trace: String { traceID.description }

    func hasTry(_ isIt: (Int?, String?) -> Bool) -> Bool {
        tries.contains { record in
            switch record.result {
            case .status(let status): isIt(status, nil)
            case .failed(let word): isIt(nil, word)
            }
        }
    }
}

// MARK: As the query of a URL

extension TailQuery {
    /// `/tail?service=identity-check&status=5xx`
    public var target: String {
        var parts: [String] = []
        func add(_ name: String, _ value: String?) {
            if let value { parts.append("\(name)=\(PercentCoding.encoded(value, keeping: Self.isKept))") }
        }
        add("service", service)
        add("from", from)
        add("path", path)
        add("slow_us", slowMicroseconds > 0 ? String(slowMicroseconds) : nil)
        for outcome in outcomes { add("status", outcome.description) }
        add("trace", trace)
        add("direction", direction == .both ? nil : direction.rawValue)
        for caller in knownCallers.sorted().prefix(Self.mostCallers) { add("known", caller) }
        add("rate", linesPerSecond == Self.mostLinesPerSecond ? nil : String(linesPerSecond))
        return parts.isEmpty ? "/tail" : "/tail?" + parts.joined(separator: "&")
    }

    /// A slash stays, for people's eyes.
    private static func isKept(_ byte: UInt8) -> Bool {
        PercentCoding.isUnreserved(byte) || byte == UInt8(ascii: "/")
    }

    /// - Parameter query: what stands behind the question mark.
    /// - Throws: ``Malformed``, for what can't be read and for names that there are none of.
    init(query: Substring) throws(Malformed) {
        self.init()
        for part in query.split(separator: "&") {
            let pair = part.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            guard pair.count == 2, let value = PercentCoding.decoded(pair[1].utf8) else {
                throw Malformed(message: "\(part) is no NAME=VALUE")
            }
            try read(String(pair[0]), value)
        }
    }

    struct Malformed: Error {
        let message: String
    }

    private mutating func read(_ name: String, _ value: String) throws(Malformed) {
        let wrong = Malformed(message: "\(name) can't be \(value)")
        switch name {
        case "service": service = value
        case "from": from = value
        case "path": path = value
        case "slow_us":
            guard let number = Int64(value), number >= 0 else { throw wrong }
            slowMicroseconds = number
        case "status":
            guard let outcome = Outcome(value) else { throw wrong }
            outcomes.append(outcome)
        case "trace": trace = value
        case "direction":
            guard let direction = Direction(rawValue: value) else { throw wrong }
            self.direction = direction
        case "known":
            guard knownCallers.count < Self.mostCallers else { throw Malformed(message: "too many callers") }
            knownCallers.insert(value)
        case "rate":
            guard let number = Int(value), (1...Self.mostLinesPerSecond).contains(number) else { throw wrong }
            linesPerSecond = number
        default: throw Malformed(message: "there is no \(name)")
        }
    }
}

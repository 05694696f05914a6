import EventLog
import Glibc
public import RegistryModel

/// A point of history as people name it.
public enum Moment: Sendable, Equatable {
    case sequence(SequenceNumber)
    case time(Timestamp)
    case now

    public static let form =
        "RFC 3339 (2026-11-24T14:05:12Z), 2026-11-24, 14:05 (the last such time, local), 15m ago, now, or a sequence"

    /// - Returns: nil for anything else.
    public init?(_ text: String, now: Timestamp) {
        if text == "now" {
            self = .now
        } else if let sequence = UInt64(text) {
            self = .sequence(SequenceNumber(sequence))
        } else if let time = Timestamp(rfc3339: text) ?? Timestamp(rfc3339: text + "T00:00:00Z") {
            self = .time(time)
        } else if let time = Self.clockTime(text, now: now) {
            self = .time(time)
        } else if let ago = Self.age(text) {
            self = .time(now.advanced(by: .zero - ago))
        } else {
            return nil
        }
    }

    /// `14:05`, `14:05:12`: today, or yesterday where that is still to come.
    private static func clockTime(_ text: String, now: Timestamp) -> Timestamp? {
        let parts = text.split(separator: ":", omittingEmptySubsequences: false)
        let numbers = parts.compactMap { $0.utf8.count == 2 ? Int32($0) : nil }
        guard (2...3).contains(parts.count), numbers.count == parts.count, numbers[0] < 24, numbers[1] < 60,
            numbers.count == 2 || numbers[2] < 60
        else { return nil }
        var seconds = time_t(now.unixSeconds)
        var local = tm()
        guard localtime_r(&seconds, &local) != nil else { return nil }
        local.tm_hour = numbers[0]
        local.tm_min = numbers[1]
        local.tm_sec = numbers.count == 3 ? numbers[2] : 0
        local.tm_isdst = -1
        var found = mktime(&local)
        if found > seconds {
            local.tm_mday -= 1
            local.tm_isdst = -1
            found = mktime(&local)
        }
        return Timestamp(rawValue: Int64(found) * 1_000_000_000)
    }

    private static func age(_ text: String) -> Duration? {
        let units: [Character: Int64] = ["s": 1, "m": 60, "h": 3_600, "d": 86_400]
        var seconds: Int64 = 0
        var digits = ""
        for character in text {
            if character.isASCII, character.isNumber {
                digits.append(character)
            } else {
                guard let unit = units[character], let number = Int64(digits), number < 1_000_000 else { return nil }
                seconds += number * unit
                digits = ""
            }
        }
        return digits.isEmpty && !text.isEmpty ? .seconds(seconds) : nil
    }

    /// The last event of the moment.
    ///
    /// - Throws: ``ReplayError/nothingRecorded(at:begins:first:)`` where history begins later or has not come so far.
    public func resolve(in source: AuditSource) throws -> HistoryPosition {
        let reader = try source.logReader()
        let last = try reader.lastSequence
        let sequence: SequenceNumber
        switch self {
        case .now: sequence = last
        case .sequence(let asked): sequence = asked <= last ? asked : .none
        case .time(let time): sequence = try reader.lastSequence(notAfter: time)
        }
        var found: Timestamp?
        try reader.forEach(from: sequence, through: sequence) { event, _ in
            found = event.time
            return false
        }
        guard let found, sequence > .none else { throw try nothingRecorded(reader, last) }
        if case .time(let time) = self { return HistoryPosition(sequence: sequence, time: time) }
        return HistoryPosition(sequence: sequence, time: found)
    }

    private func nothingRecorded(_ reader: LogReader, _ last: SequenceNumber) throws -> ReplayError {
        var first: Event?
        try reader.forEach(from: SequenceNumber(1)) { event, _ in
            first = event
            return false
        }
        guard let first else { return ReplayError(.notFound, "nothing is recorded here yet") }
        switch self {
        case .sequence(let asked):
            return ReplayError(.notFound, "There is no event \(asked): history goes from \(first.sequence) to \(last)")
        case .time(let time):
            return ReplayError(
                .notFound,
                "Nothing is recorded at \(time.utcText): history begins \(first.time.utcText) (\(first.sequence))"
            )
        case .now: return ReplayError(.notFound, "nothing is recorded here yet")
        }
    }
}

/// A place in history.
public struct HistoryPosition: Sendable, Equatable {
    /// The last event that counts.
    public var sequence: SequenceNumber
    /// The time that was asked for; where a sequence was, its event's.
    public var time: Timestamp

    public init(sequence: SequenceNumber, time: Timestamp) {
        self.sequence = sequence
        self.time = time
    }
}

/// Why a question about history has no answer.
public struct ReplayError: Error, Sendable, CustomStringConvertible {
    public struct Code: Hashable, Sendable {
        public let description: String

        /// What was asked about is not in history.
        public static let notFound = Code(description: "not-found")
        /// What is there can't be read, or is not what it says.
        public static let unreadable = Code(description: "unreadable")
        /// More events would have to be folded than was allowed.
        public static let tooLong = Code(description: "too-long")
        /// The question makes no sense.
        public static let usage = Code(description: "usage")
    }

    public let code: Code
    public let message: String
    public let hint: String?

    public init(_ code: Code, _ message: String, hint: String? = nil) {
        self.code = code
        self.message = message
        self.hint = hint
    }

    public var description: String {
        message
    }
}

extension Timestamp {
    /// RFC 3339 in UTC, to the second: as reports show times.
    public var utcText: String {
        let seconds = unixSeconds
        var json = JSONWriter()
        json.write(Timestamp(rawValue: seconds * 1_000_000_000))
        let text = String(decoding: json.bytes.dropFirst().dropLast(), as: UTF8.self)
        guard let dot = text.firstIndex(of: ".") else { return text }
        return text[..<dot] + "Z"
    }

    /// `14:05:12Z`
    public var utcClock: String {
        String(utcText.dropFirst(11))
    }
}

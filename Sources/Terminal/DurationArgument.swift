public import ArgumentParser

/// A length of time on a command line, in a file or in the environment: `800ms`, `30s`, `10m`, `1h30m`, `7d`.
public struct DurationArgument: Sendable, Equatable, ExpressibleByArgument, CustomStringConvertible {
    public let duration: Duration

    public init(_ duration: Duration) {
        self.duration = duration
    }

    /// nil for anything else, a number without a unit included: `30` could mean two things.
    public init?(argument: String) {
        var total: Int64 = 0
        var rest = Substring(argument)
        guard !rest.isEmpty else { return nil }
        while !rest.isEmpty {
            let digits = rest.prefix { $0.isASCII && $0.isNumber }
            guard !digits.isEmpty, let number = Int64(digits) else { return nil }
            rest = rest.dropFirst(digits.count)
            let unit = rest.prefix { $0.isLetter }
            rest = rest.dropFirst(unit.count)
            guard let milliseconds = Self.units[String(unit)] else { return nil }
            let (product, overflow) = number.multipliedReportingOverflow(by: milliseconds)
            let (sum, overflowInSum) = total.addingReportingOverflow(product)
            guard !overflow, !overflowInSum else { return nil }
            total = sum
        }
        duration = .milliseconds(total)
    }

    public var milliseconds: UInt64 {
        let (seconds, attoseconds) = duration.components
        return UInt64(clamping: seconds) &* 1_000 &+ UInt64(clamping: attoseconds / 1_000_000_000_000_000)
    }

    public var description: String {
        milliseconds == 0 ? "0s" : HumanText.duration(milliseconds: Double(milliseconds))
    }

    public static let form = "a number and a unit, such as 800ms, 30s, 10m, 1h30m or 7d"

    private static let units: [String: Int64] = ["ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000]
}

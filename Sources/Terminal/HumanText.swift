/// Numbers as people read them.
public enum HumanText {
    /// `24,812`
    public static func count(_ value: UInt64) -> String {
        let digits = Array(String(value))
        var text = ""
        for (index, digit) in digits.enumerated() {
            if index > 0, (digits.count - index).isMultiple(of: 3) { text.append(",") }
            text.append(digit)
        }
        return text
    }

    /// SI units: `512 B`, `9.7 MB`, `412 MB`
    public static func bytes(_ value: UInt64) -> String {
        let units = ["B", "kB", "MB", "GB", "TB", "PB"]
        var amount = Double(value)
        var unit = 0
        while amount >= 999.5, unit < units.count - 1 {
            amount /= 1_000
            unit += 1
        }
        return unit == 0 ? "\(value) B" : "\(rounded(amount)) \(units[unit])"
    }

    /// The two largest units: `412ms`, `1.9ms`, `4m32s`, `2d4h`, `41d6h`
    public static func duration(milliseconds: Double) -> String {
        guard milliseconds >= 0 else { return "-" + duration(milliseconds: -milliseconds) }
        if milliseconds < 999.5 {
            return milliseconds < 10 && milliseconds > 0
                ? "\(tenths(milliseconds))ms" : "\(Int64(milliseconds.rounded()))ms"
        }
        guard milliseconds < 9e15 else { return "for ever" }
        let seconds = Int64((milliseconds / 1_000).rounded())
        let year: Int64 = 365 * 86_400
        let parts: [(Int64, String)] = [
            (seconds / year, "y"), (seconds % year / 86_400, "d"), (seconds / 3_600 % 24, "h"),
            (seconds / 60 % 60, "m"), (seconds % 60, "s"),
        ]
        let first = parts.firstIndex { $0.0 > 0 } ?? 4
        return parts[first...].prefix(2).filter { $0.0 > 0 }.map { "\($0.0)\($0.1)" }.joined()
    }

    /// `99.95%`, rounded down: all is said of nothing less.
    public static func percent(_ share: Double, digits: Int) -> String {
        let scale = digits <= 0 ? 1 : (1...digits).reduce(Int64(1)) { scale, _ in scale * 10 }
        let scaled = Int64((min(max(share, 0), 1) * 100 * Double(scale) + 1e-9).rounded(.down))
        guard digits > 0 else { return "\(scaled)%" }
        let rest = String(scaled % scale)
        return "\(scaled / scale)." + String(repeating: "0", count: digits - rest.count) + rest + "%"
    }

    /// One decimal below ten, none above: `0.4`, `9.7`, `412`
    public static func rounded(_ value: Double) -> String {
        guard value.isFinite, abs(value) < 9e15 else { return "-" }
        return abs(value) < 9.95 ? tenths(value) : String(Int64(value.rounded()))
    }

    /// `1 instance`, `3 instances`
    public static func counted(_ value: UInt64, _ noun: String) -> String {
        "\(count(value)) \(noun)\(value == 1 ? "" : "s")"
    }

    /// `41.2`
    public static func tenths(_ value: Double) -> String {
        guard value.isFinite, abs(value) < 9e15 else { return "-" }
        let tenths = Int64((value * 10).rounded())
        return "\(tenths / 10).\(abs(tenths % 10))"
    }
}

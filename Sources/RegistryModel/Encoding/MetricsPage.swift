/// Writes a page of metrics in Prometheus' text exposition format 0.0.4.
///
/// The caller keeps the samples of a metric together, below its ``metric(_:_:_:)``, and labels bounded.
public struct MetricsPage: Sendable {
    public enum Kind: String, Sendable {
        case counter
        case gauge
        case histogram
    }

    public typealias Labels = [(name: String, value: String)]

    public private(set) var text = ""

    public init() {}

    /// `# HELP` and `# TYPE`.
    public mutating func metric(_ name: String, _ kind: Kind, _ help: String) {
        text += "# HELP \(name) \(help)\n# TYPE \(name) \(kind.rawValue)\n"
    }

    public mutating func sample(_ name: String, _ labels: Labels, _ value: some FixedWidthInteger) {
        text += name
        write(labels)
        text += " \(value)\n"
    }

    public mutating func sample(_ name: String, _ labels: Labels, _ value: Double) {
        text += name
        write(labels)
        text += " \(Self.number(value))\n"
    }

    public mutating func counter(_ name: String, _ help: String, _ value: some FixedWidthInteger) {
        metric(name, .counter, help)
        sample(name, [], value)
    }

    public mutating func gauge(_ name: String, _ help: String, _ value: some FixedWidthInteger) {
        metric(name, .gauge, help)
        sample(name, [], value)
    }

    public mutating func gauge(_ name: String, _ help: String, _ value: Double) {
        metric(name, .gauge, help)
        sample(name, [], value)
    }

    /// The series of one set of labels.
    ///
    /// - Parameters:
    ///   - bounds: upper ones, in the metric's unit.
    ///   - counts: a bucket each, not yet summed up; one more than there are bounds.
    public mutating func histogram(
        _ name: String,
        _ labels: Labels = [],
        bounds: [Double],
        counts: [UInt64],
        sum: Double
    ) {
        var seen: UInt64 = 0
        for (bound, count) in zip(bounds, counts) {
            seen &+= count
            sample(name + "_bucket", labels + [("le", Self.number(bound))], seen)
        }
        let total = counts.reduce(0, &+)
        sample(name + "_bucket", labels + [("le", "+Inf")], total)
        sample(name + "_sum", labels, sum)
        sample(name + "_count", labels, total)
    }

    /// Which program of which release it is: every page begins with it.
    public mutating func build(program: String, version: String) {
        metric("hms_build_info", .gauge, "The program and its version.")
        sample("hms_build_info", [("program", program), ("version", version)], 1)
    }

    private mutating func write(_ labels: Labels) {
        guard !labels.isEmpty else { return }
        text += "{"
        for (index, label) in labels.enumerated() {
            if index > 0 { text += "," }
            text += "\(label.name)=\"\(Self.escaped(label.value))\""
        }
        text += "}"
    }

    /// The shortest text that is read back as the same number; whole ones without a fraction.
    private static func number(_ value: Double) -> String {
        value == value.rounded() && abs(value) < 1e15 ? String(Int64(value)) : "\(value)"
    }

    private static func escaped(_ value: String) -> String {
        guard value.utf8.contains(where: { $0 == UInt8(ascii: "\\") || $0 == UInt8(ascii: "\"") || $0 == 10 }) else {
            return value
        }
        var text = ""
        for character in value {
            switch character {
            case "\\": text += "\\\\"
            case "\"": text += "\\\""
            case "\n": text += "\\n"
            default: text.append(character)
            }
        }
        return text
    }
}

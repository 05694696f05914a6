/// Cuts what a process writes into lines and says whose each is: `app   │ listening on 7000`
///
/// A line waits until its end has come; one that is longer than ``lineBytes`` is passed on in pieces. Bytes that are no
/// UTF-8 become U+FFFD, each line for itself.
public struct OutputPrefixer: Sendable {
    /// Bytes of a line that are kept while its end has not come.
    public static let lineBytes = 64 * 1_024

    private let prefix: String
    private var rest: [UInt8] = []

    /// - Parameters:
    ///   - label: `app`, `mesh`; with several instances `app:7000`.
    ///   - width: of the widest label beside it, so that the lines stand under each other.
    ///   - paint: colours the label.
    public init(label: String, width: Int = 5, paint: (String) -> String = { $0 }) {
        prefix = paint(label) + String(repeating: " ", count: max(0, width - label.count)) + " │ "
    }

    /// The widest of labels, and at least of what a single instance has.
    public static func width(of labels: [String]) -> Int {
        labels.reduce(5) { max($0, $1.count) }
    }

    /// A line of this process itself.
    public func line(_ text: String) -> String {
        prefix + text + "\n"
    }

    /// The lines that are complete now, each with its prefix and a newline; empty where there is none.
    public mutating func take(_ bytes: some Collection<UInt8>) -> String {
        rest.append(contentsOf: bytes)
        var lines = ""
        var begin = 0
        while let end = rest[begin...].firstIndex(of: UInt8(ascii: "\n")) {
            lines += line(Self.text(rest[begin..<end]))
            begin = end + 1
        }
        while rest.count - begin > Self.lineBytes {
            let end = Self.boundary(in: rest, from: begin)
            lines += line(Self.text(rest[begin..<end]))
            begin = end
        }
        rest.removeFirst(begin)
        return lines
    }

    /// What was written behind the last newline: once nothing more comes.
    public mutating func finish() -> String {
        defer { rest = [] }
        return rest.isEmpty ? "" : line(Self.text(rest[...]))
    }

    /// Not in the middle of a character, where the bytes are UTF-8.
    private static func boundary(in bytes: [UInt8], from begin: Int) -> Int {
        let end = begin + lineBytes
        for back in 0..<4 where bytes[end - back] & 0xC0 != 0x80 { return end - back }
        return end
    }

    private static func text(_ bytes: ArraySlice<UInt8>) -> String {
        let line = bytes.last == UInt8(ascii: "\r") ? bytes.dropLast() : bytes
        return String(decoding: line, as: UTF8.self)
    }
}

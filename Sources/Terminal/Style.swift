public import ArgumentParser
import Glibc

/// When to colour.
public enum ColorMode: String, Sendable, CaseIterable, ExpressibleByArgument {
    case auto
    case always
    case never
}

/// Colours of a stream: the eight that every terminal has, or none. Meaning never rests on them alone.
public struct Style: Sendable, Equatable {
    public enum Color: Sendable {
        case plain
        /// Healthy, fine.
        case green
        /// Degraded, starting, a warning.
        case yellow
        /// Unhealthy, wrong.
        case red
        /// Draining, external.
        case blue
        /// Context: ids, paths, "ago".
        case dim
        /// Names and headers.
        case bold
    }

    public let isColored: Bool

    public init(isColored: Bool) {
        self.isColored = isColored
    }

    /// For a stream of this process. `NO_COLOR` (no-color.org) and `TERM=dumb` mean none unless `always` is asked for.
    public init(_ mode: ColorMode, descriptor: Int32) {
        switch mode {
        case .always: isColored = true
        case .never: isColored = false
        case .auto:
            let refuses = Environment.variable("NO_COLOR").map { !$0.isEmpty } ?? false
            let isDumb = Environment.variable("TERM") == "dumb"
            isColored = isatty(descriptor) == 1 && !refuses && !isDumb
        }
    }

    public func paint(_ text: String, _ color: Color) -> String {
        guard isColored, let code = Self.code(of: color) else { return text }
        return "\u{1B}[\(code)m\(text)\u{1B}[0m"
    }

    public func green(_ text: String) -> String { paint(text, .green) }
    public func yellow(_ text: String) -> String { paint(text, .yellow) }
    public func red(_ text: String) -> String { paint(text, .red) }
    public func blue(_ text: String) -> String { paint(text, .blue) }
    public func dim(_ text: String) -> String { paint(text, .dim) }
    public func bold(_ text: String) -> String { paint(text, .bold) }

    private static func code(of color: Color) -> Int? {
        switch color {
        case .plain: nil
        case .green: 32
        case .yellow: 33
        case .red: 31
        case .blue: 34
        case .dim: 2
        case .bold: 1
        }
    }
}

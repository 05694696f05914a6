public import ArgumentParser

/// Why a command ends without doing what was asked, as people are told: what happened, then why, then what to do.
public struct CommandError: Error, Sendable {
    /// What happened, and to what.
    public var what: String
    /// Facts that explain it, a line each.
    public var reasons: [String]
    /// A command to paste, or words.
    public var hint: String?
    public var exitCode: ExitCode

    public init(_ what: String, reasons: [String] = [], hint: String? = nil, exitCode: ExitCode) {
        self.what = what
        self.reasons = reasons
        self.hint = hint
        self.exitCode = exitCode
    }

    /// The lines that go to stderr.
    public func rendered(_ style: Style, _ symbols: Symbols) -> String {
        var lines = ["\(style.red(symbols.wrong)) \(what)"]
        lines += reasons.map { "  " + style.dim($0) }
        if let hint { lines.append("\(symbols.next) \(hint)") }
        return lines.joined(separator: "\n") + "\n"
    }
}

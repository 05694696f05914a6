/// The few signs that output uses: words go with all of them.
public struct Symbols: Sendable, Equatable {
    /// Done, fine.
    public let done: String
    /// Will go wrong.
    public let warning: String
    /// Is wrong.
    public let wrong: String
    /// What to do next.
    public let next: String
    /// Between facts.
    public let separator: String
    /// In place of what was cut off.
    public let ellipsis: String
    /// A progress bar's done and open part.
    public let bar: (full: String, empty: String)

    public static let unicode = Symbols(
        done: "✔",
        warning: "⚠",
        wrong: "✘",
        next: "→",
        separator: "·",
        ellipsis: "…",
        bar: ("█", " ")
    )
    public static let ascii = Symbols(
        done: "ok",
        warning: "!!",
        wrong: "XX",
        next: "->",
        separator: "|",
        ellipsis: "~",
        bar: ("#", ".")
    )

    public static let current = choose(environment: Environment.variable)

    /// By the first locale variable that is set (POSIX.1-2017 §8.2); where none is, as in most containers, UTF-8.
    public static func choose(environment: (String) -> String?) -> Symbols {
        let locale = ["LC_ALL", "LC_CTYPE", "LANG"].lazy.compactMap(environment).first { !$0.isEmpty }
        guard let locale = locale?.lowercased() else { return .unicode }
        return locale.contains("utf-8") || locale.contains("utf8") ? .unicode : .ascii
    }

    public static func == (lhs: Symbols, rhs: Symbols) -> Bool {
        lhs.done == rhs.done
    }
}

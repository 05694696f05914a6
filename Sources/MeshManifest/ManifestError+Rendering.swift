public import Terminal

extension ManifestError {
    /// Columns of a source line that are shown at most.
    private static let shownColumns = 100

    /// The lines that go to stderr, each ended by a newline:
    ///
    ///     ✘ hms.yml:6:3: unknown key mesh.retrys
    ///         6 │   retrys: 2          # auto-retry failed calls
    ///           │   ^^^^^^ did you mean retries?
    ///     → keys of mesh: retries, timeout, …
    public func rendered(_ style: Style, _ symbols: Symbols) -> String {
        var lines: [String] = []
        for (index, diagnostic) in diagnostics.enumerated() {
            lines.append("\(style.red(symbols.wrong)) \(style.bold(place(of: diagnostic)))\(diagnostic.message)")
            if let place = diagnostic.place { lines += Self.source(place, note: diagnostic.note, style) }
            let next = diagnostics.dropFirst(index + 1).first
            if let hint = diagnostic.hint, hint != next?.hint { lines.append("\(symbols.next) \(hint)") }
        }
        return lines.joined(separator: "\n") + "\n"
    }

    private static func source(_ place: Diagnostic.Place, note: String?, _ style: Style) -> [String] {
        let scalars = Array(place.source.unicodeScalars.map(shown))
        // A long line is cut so that the place is in it.
        let begin = place.column > shownColumns * 3 / 4 ? place.column - 1 - shownColumns / 2 : 0
        let text = scalars.dropFirst(begin).prefix(shownColumns)
        let before = max(0, place.column - 1 - begin)
        let carets = max(1, min(place.length, text.count - before))
        let number = String(place.line)
        let margin = String(repeating: " ", count: max(0, 5 - number.utf8.count)) + number
        let pointer = String(repeating: "^", count: carets) + (note.map { " " + $0 } ?? "")
        return [
            margin + " │ " + String(String.UnicodeScalarView(text)),
            String(repeating: " ", count: max(5, margin.utf8.count)) + " │ " + String(repeating: " ", count: before)
                + style.yellow(pointer),
        ]
    }

    /// Control characters must not reach the terminal.
    private static func shown(_ scalar: Unicode.Scalar) -> Unicode.Scalar {
        switch scalar.value {
        case 0x09: " "
        case 0..<0x20, 0x7F..<0xA0: "?"
        default: scalar
        }
    }
}

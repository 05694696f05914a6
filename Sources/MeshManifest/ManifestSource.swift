import RegistryModel
import Yams

/// Where something begins in the file.
struct SourcePosition {
    /// From 1.
    var line: Int
    /// From 1, in Unicode scalars.
    var column: Int

    static let start = SourcePosition(line: 1, column: 1)
}

extension Node {
    var position: SourcePosition? {
        mark.map { SourcePosition(line: $0.line, column: $0.column) }
    }
}

/// The text of an `hms.yml`, and where things stand in it.
struct ManifestSource {
    let file: String
    let lines: [String]
    private let text: String

    /// - Throws: `unreadable` where the bytes are no text, or too many.
    init(_ bytes: some Collection<UInt8>, file: String) throws(ManifestError) {
        self.file = file
        guard bytes.count <= Manifest.maximumBytes else {
            throw ManifestError(.unreadable, file: file, "the file is over 64 KiB: a manifest is a page")
        }
        guard let text = String(validating: bytes, as: UTF8.self), !text.unicodeScalars.contains("\0") else {
            throw ManifestError(.unreadable, file: file, "the file is not UTF-8 text")
        }
        self.text = text
        lines = Self.split(text)
    }

    func place(line: Int, column: Int, length: Int) -> ManifestError.Diagnostic.Place {
        let line = min(max(1, line), max(1, lines.count))
        let source = line <= lines.count ? lines[line - 1] : ""
        return .init(line: line, column: max(1, column), length: max(1, length), source: source)
    }

    /// The document's root.
    ///
    /// - Throws: `malformed`, with the place.
    func root() throws(ManifestError) -> Node {
        try refuseAliases()
        do {
            let node = try Yams.compose(yaml: text)
            if let node, !isEmpty(node) { return node }
        } catch let error as YamlError {
            throw describe(error)
        } catch {
            throw malformed("\(error)", nil)
        }
        throw ManifestError(
            .malformed,
            file: file,
            "the file is empty",
            hint: "at the least: service: { name: NAME, port: PORT }"
        )
    }

    // MARK: What is wrong with the text

    /// Aliases let a page of text stand for more than fits into memory, so they are refused before anything follows
    /// them; nothing in a manifest needs them.
    ///
    /// An alias begins where a value may begin: first on its line, or behind one of `- ? : , [ {`.
    private func refuseAliases() throws(ManifestError) {
        for index in lines.indices { try refuseAliases(inLine: index) }
    }

    private func refuseAliases(inLine index: Int) throws(ManifestError) {
        let scalars = Array(lines[index].unicodeScalars)
        let hasQuote = scalars.contains("\"") || scalars.contains("'")
        var last: Unicode.Scalar?
        for (column, scalar) in scalars.enumerated() where !Self.isBlank(scalar) {
            let isAdjacent = column > 0 && !Self.isBlank(scalars[column - 1])
            // Where there is a quotation mark, what looks like a comment may be text.
            if scalar == "#", !isAdjacent, !hasQuote { return }
            let name = scalar == "*" ? scalars[(column + 1)...].prefix(while: Self.isWord) : []
            if scalar == "*", Self.mayPrecedeValue(last, isAdjacent: isAdjacent, isNamed: !name.isEmpty) {
                let place = place(line: index + 1, column: column + 1, length: name.count + 1)
                guard name.isEmpty else {
                    throw malformed("aliases are not taken here", place, note: "write the value itself")
                }
                let rest = scalars[column...].prefix { !Self.isBlank($0) && $0 != "," && $0 != "]" && $0 != "}" }
                let quoted = "\"" + String(String.UnicodeScalarView(rest)) + "\""
                throw malformed("a value can't begin with * unless it is quoted", place, note: "write \(quoted)")
            }
            last = scalar
        }
    }

    private static func mayPrecedeValue(_ last: Unicode.Scalar?, isAdjacent: Bool, isNamed: Bool) -> Bool {
        switch last {
        case nil, "[", "{", ",": true
        case "-": !isAdjacent
        // Between brackets `"a":*b` holds an alias; `user:*` is a word.
        case "?", ":": !isAdjacent || isNamed
        default: false
        }
    }

    private func describe(_ error: YamlError) -> ManifestError {
        switch error {
        case .scanner(_, let problem, let mark, _), .parser(_, let problem, let mark, _),
            .composer(_, let problem, let mark, _):
            return malformed(problem, at: SourcePosition(line: mark.line, column: mark.column))
        case .duplicatedKeysInMapping(let names, let context):
            let name = names.first ?? ""
            let first = SourcePosition(line: context.mark.line, column: context.mark.column)
            let place = secondPlace(of: name, after: first)
            return malformed("the key \(name) is here twice", place, note: "first in line \(first.line)")
        case .reader(let problem, _, _, _): return malformed(problem, nil)
        default: return malformed("\(error)", nil)
        }
    }

    /// The parser's words with the place; a tab, which YAML doesn't take as indentation, is named.
    private func malformed(_ problem: String, at mark: SourcePosition) -> ManifestError {
        let place = place(line: mark.line, column: mark.column, length: 1)
        let scalars = Array(place.source.unicodeScalars)
        let indentation = scalars.prefix(while: Self.isBlank)
        if let tab = indentation.firstIndex(of: "\t") {
            let tabs = scalars[tab...].prefix { $0 == "\t" }.count
            let there = self.place(line: place.line, column: tab + 1, length: tabs)
            return malformed("a tab indents this line", there, note: "YAML takes spaces only")
        }
        return malformed("not YAML: \(problem)", place, hint: "one line is enough: service: {name: NAME, port: PORT}")
    }

    private func malformed(
        _ message: String,
        _ place: ManifestError.Diagnostic.Place?,
        note: String? = nil,
        hint: String? = nil
    ) -> ManifestError {
        ManifestError(.malformed, file: file, [.init(message: message, place: place, note: note, hint: hint)])
    }

    /// Where a key stands again in the same column; the parser tells only of its first place.
    private func secondPlace(of key: String, after mark: SourcePosition) -> ManifestError.Diagnostic.Place {
        let length = key.unicodeScalars.count
        for (index, line) in lines.enumerated().dropFirst(mark.line) {
            let scalars = line.unicodeScalars
            guard scalars.prefix(mark.column - 1).allSatisfy(Self.isBlank) else { continue }
            let rest = scalars.dropFirst(mark.column - 1)
            if rest.starts(with: key.unicodeScalars), rest.dropFirst(length).drop(while: Self.isBlank).first == ":" {
                return place(line: index + 1, column: mark.column, length: length)
            }
        }
        return place(line: mark.line, column: mark.column, length: length)
    }

    private func isEmpty(_ node: Node) -> Bool {
        guard case .scalar(let scalar) = node else { return false }
        return scalar.style != .singleQuoted && scalar.style != .doubleQuoted && scalar.string.isEmpty
    }

    /// By YAML's line breaks, so that numbers are the parser's.
    private static func split(_ text: String) -> [String] {
        var lines: [String] = []
        var line = String.UnicodeScalarView()
        var last: Unicode.Scalar?
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\n" where last == "\r": break
            case "\n", "\r", "\u{85}", "\u{2028}", "\u{2029}":
                lines.append(String(line))
                line = String.UnicodeScalarView()
            case "\u{FEFF}" where last == nil: break
            default: line.append(scalar)
            }
            last = scalar
        }
        if !line.isEmpty { lines.append(String(line)) }
        return lines
    }

    private static func isBlank(_ scalar: Unicode.Scalar) -> Bool {
        scalar == " " || scalar == "\t"
    }

    private static func isWord(_ scalar: Unicode.Scalar) -> Bool {
        scalar.isASCII && (scalar.properties.isAlphabetic || scalar.properties.numericType != nil)
            || scalar == "_" || scalar == "-"
    }
}

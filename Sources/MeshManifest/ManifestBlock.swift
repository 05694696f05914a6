import RegistryModel
import Terminal
import Yams

/// One mapping of the file: its known keys with their values. What is wrong is noted, and reading goes on, so that one
/// look at the file tells everything.
struct ManifestBlock {
    struct Entry {
        var keyMark: SourcePosition
        var value: Node
    }

    /// `mesh`; empty for the file itself.
    let name: String
    let keys: [String]
    let mark: SourcePosition
    fileprivate(set) var entries: [String: Entry] = [:]

    /// `mesh.retries`
    func path(_ key: String) -> String {
        name.isEmpty ? key : "\(name).\(key)"
    }
}

/// Reads values of the file and notes what is wrong with them.
struct ManifestReader {
    let source: ManifestSource
    private(set) var diagnostics: [ManifestError.Diagnostic] = []

    init(_ source: ManifestSource) {
        self.source = source
    }

    // MARK: What is wrong

    mutating func note(_ message: String, _ mark: SourcePosition, length: Int, note: String? = nil, hint: String? = nil)
    {
        diagnostics.append(
            .init(
                message: message,
                place: source.place(line: mark.line, column: mark.column, length: length),
                note: note,
                hint: hint
            )
        )
    }

    /// The value of a key is wrong: carets under the value where it stands on one line, else under the key.
    mutating func noteValue(_ path: String, _ entry: ManifestBlock.Entry, _ problem: String, note hint: String? = nil) {
        guard case .scalar(let scalar) = entry.value, let mark = entry.value.position, !scalar.string.isEmpty else {
            let length = path.split(separator: ".").last?.unicodeScalars.count ?? 1
            return note("\(path): \(problem)", entry.keyMark, length: length, note: hint)
        }
        let line = source.place(line: mark.line, column: mark.column, length: 1).source.unicodeScalars.count
        let quotes = scalar.style == .plain ? 0 : 2
        let length = min(scalar.string.unicodeScalars.count + quotes, line - mark.column + 1)
        note("\(path): \(problem)", mark, length: length, note: hint)
    }

    // MARK: Mappings

    /// A mapping with known keys; nil, and noted, where the value is none.
    ///
    /// - Parameter elsewhere: finds the block in which a key that isn't known here is known.
    mutating func block(
        _ name: String,
        _ node: Node,
        at mark: SourcePosition,
        keys: [String],
        elsewhere: (String) -> String? = { _ in nil }
    ) -> ManifestBlock? {
        guard case .mapping(let mapping) = node else {
            let what = name.isEmpty ? "the file" : name
            note(
                "\(what) takes keys with values",
                mark,
                length: max(1, name.split(separator: ".").last?.unicodeScalars.count ?? 1),
                hint: Self.list(keys, of: name)
            )
            return nil
        }
        var block = ManifestBlock(name: name, keys: keys, mark: mark)
        for (key, value) in mapping {
            guard let text = key.scalar?.string, let keyMark = key.position else {
                note("a key of \(name.isEmpty ? "the file" : name) is no word", key.position ?? mark, length: 1)
                continue
            }
            guard keys.contains(text) else {
                noteUnknown(text, keyMark, block, elsewhere(text))
                continue
            }
            block.entries[text] = ManifestBlock.Entry(keyMark: keyMark, value: value)
        }
        return block
    }

    private mutating func noteUnknown(
        _ key: String,
        _ mark: SourcePosition,
        _ block: ManifestBlock,
        _ elsewhere: String?
    ) {
        let nearest = elsewhere ?? NearestName.matches(for: key, in: block.keys, limit: 1).first
        let shown = String(String.UnicodeScalarView(key.unicodeScalars.prefix(80)))
        note(
            "unknown key \(block.path(shown.isPrintable ? shown : "?"))",
            mark,
            length: max(1, key.unicodeScalars.count),
            note: nearest.map { "did you mean \($0)?" },
            hint: Self.list(block.keys, of: block.name)
        )
    }

    /// The entries of a mapping whose keys are free, each once, in the file's order.
    mutating func freeEntries(_ key: String, in block: ManifestBlock) -> [(key: String, entry: ManifestBlock.Entry)] {
        guard let entry = block.entries[key] else { return [] }
        guard case .mapping(let mapping) = entry.value else {
            noteValue(block.path(key), entry, "takes keys with values")
            return []
        }
        return mapping.compactMap { key, value in
            guard let text = key.scalar?.string, let mark = key.position else { return nil }
            return (text, ManifestBlock.Entry(keyMark: mark, value: value))
        }
    }

    private static func list(_ keys: [String], of name: String) -> String {
        "keys of \(name.isEmpty ? "hms.yml" : name): \(keys.joined(separator: ", "))"
    }
}

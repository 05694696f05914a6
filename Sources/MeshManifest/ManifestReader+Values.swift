import RegistryModel
import Terminal
import Yams

extension ManifestReader {
    /// Text as it stands, numbers too: `version: 1.0` is `1.0`.
    mutating func text(_ key: String, in block: ManifestBlock, upTo limit: Int = Instance.Limits.text) -> String? {
        block.entries[key].flatMap { text(block.path(key), $0, upTo: limit) }
    }

    mutating func text(_ path: String, _ entry: ManifestBlock.Entry, upTo limit: Int = Instance.Limits.text) -> String?
    {
        guard case .scalar(let scalar) = entry.value else {
            noteValue(path, entry, "takes one value")
            return nil
        }
        guard !scalar.string.isEmpty else {
            noteValue(path, entry, "has no value")
            return nil
        }
        guard scalar.string.isPrintable else {
            noteValue(path, entry, "has control characters or more than one line")
            return nil
        }
        guard scalar.string.utf8.count <= limit else {
            noteValue(path, entry, "is over \(limit) bytes")
            return nil
        }
        return scalar.string
    }

    mutating func integer(_ key: String, in block: ManifestBlock, _ range: ClosedRange<Int>) -> Int? {
        guard let entry = block.entries[key] else { return nil }
        let bounds = "a number from \(range.lowerBound) to \(range.upperBound)"
        guard let digits = plain(entry), let number = Int(digits), !digits.hasPrefix("+"), range.contains(number) else {
            noteValue(block.path(key), entry, "is not \(bounds)")
            return nil
        }
        return number
    }

    mutating func boolean(_ key: String, in block: ManifestBlock) -> Bool? {
        guard let entry = block.entries[key] else { return nil }
        switch plain(entry) {
        case "true": return true
        case "false": return false
        default:
            noteValue(block.path(key), entry, "is neither true nor false")
            return nil
        }
    }

    mutating func duration(
        _ key: String,
        in block: ManifestBlock,
        milliseconds range: ClosedRange<UInt64>
    ) -> Duration? {
        guard let entry = block.entries[key] else { return nil }
        guard let argument = plain(entry).flatMap({ DurationArgument(argument: $0) }) else {
            noteValue(block.path(key), entry, "is no duration", note: "such as 800ms, 2s or 5m")
            return nil
        }
        guard range.contains(argument.milliseconds) else {
            let bounds = [range.lowerBound, range.upperBound].map { HumanText.duration(milliseconds: Double($0)) }
            noteValue(block.path(key), entry, "is outside \(bounds[0]) to \(bounds[1])")
            return nil
        }
        return argument.duration
    }

    /// One of a few words.
    mutating func choice<Choice: RawRepresentable<String> & CaseIterable>(
        _ key: String,
        in block: ManifestBlock,
        _: Choice.Type
    ) -> Choice? {
        guard let entry = block.entries[key] else { return nil }
        // A quoted one, too: YAML 1.1 readers take `off` for false.
        let word = entry.value.scalar?.string
        if let choice = word.flatMap(Choice.init(rawValue:)) { return choice }
        let choices = Choice.allCases.map(\.rawValue)
        let nearest = word.flatMap { NearestName.matches(for: $0, in: choices, limit: 1).first }
        noteValue(
            block.path(key),
            entry,
            "is none of \(choices.joined(separator: ", "))",
            note: nearest.map { "did you mean \($0)?" }
        )
        return nil
    }

    /// A list of values, each checked by `element`, which notes what is wrong with one.
    mutating func list<Element>(
        _ key: String,
        in block: ManifestBlock,
        upTo limit: Int,
        _ element: (inout ManifestReader, String, ManifestBlock.Entry) -> Element?
    ) -> [Element]? {
        guard let entry = block.entries[key] else { return nil }
        let path = block.path(key)
        guard case .sequence(let sequence) = entry.value else {
            noteValue(path, entry, "takes a list", note: "[ … ]")
            return nil
        }
        guard sequence.count <= limit else {
            noteValue(path, entry, "has more than \(limit) entries")
            return nil
        }
        var found: [Element] = []
        for value in sequence {
            let item = ManifestBlock.Entry(keyMark: entry.keyMark, value: value)
            guard let text = text(path, item) else { continue }
            if let value = element(&self, text, item) { found.append(value) }
        }
        return found
    }

    /// Checks a value by a rule that throws its words.
    mutating func checked<Value>(
        _ path: String,
        _ entry: ManifestBlock.Entry,
        _ rule: () throws(RegistryModelError) -> Value
    ) -> Value? {
        do {
            return try rule()
        } catch {
            noteValue(path, entry, error.message)
            return nil
        }
    }

    /// The same for a key.
    mutating func checkedKey<Value>(
        _ key: String,
        _ entry: ManifestBlock.Entry,
        _ rule: () throws(RegistryModelError) -> Value
    ) -> Value? {
        do {
            return try rule()
        } catch {
            note(error.message, entry.keyMark, length: key.unicodeScalars.count)
            return nil
        }
    }

    /// What stands there unquoted: only that may be a number, a duration or a truth value.
    private func plain(_ entry: ManifestBlock.Entry) -> String? {
        guard case .scalar(let scalar) = entry.value, scalar.style == .plain else { return nil }
        return scalar.string
    }
}

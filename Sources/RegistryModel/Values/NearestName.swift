/// "Did you mean …?": the known names nearest to one that isn't known.
public enum NearestName {
    /// At most `limit` of `candidates` within a third of the name's length (at least 2) in optimal string alignment
    /// distance, the nearest first. Costs the product of the lengths for each candidate of about the same length.
    public static func matches(for name: String, in candidates: some Sequence<String>, limit: Int = 3) -> [String] {
        let target = Array(name.utf8.prefix(128))
        let bound = max(2, target.count / 3)
        var found: [(distance: Int, name: String)] = []
        for candidate in candidates {
            let bytes = Array(candidate.utf8)
            guard abs(bytes.count - target.count) <= bound else { continue }
            let distance = alignmentDistance(target, bytes)
            if distance <= bound { found.append((distance, candidate)) }
        }
        found.sort { ($0.distance, $0.name) < ($1.distance, $1.name) }
        return found.prefix(limit).map(\.name)
    }

    /// Insertions, deletions, substitutions and swaps of neighbours (Damerau 1964, restricted form).
    static func alignmentDistance(_ a: [UInt8], _ b: [UInt8]) -> Int {
        var beforeLast = [Int](repeating: 0, count: b.count + 1)
        var last = Array(0...b.count)
        for i in 0..<a.count {
            var row = [i + 1]
            for j in 0..<b.count {
                var best = min(last[j] + (a[i] == b[j] ? 0 : 1), last[j + 1] + 1, row[j] + 1)
                if i > 0, j > 0, a[i] == b[j - 1], a[i - 1] == b[j] {
                    best = min(best, beforeLast[j - 1] + 1)
                }
                row.append(best)
            }
            (beforeLast, last) = (last, row)
        }
        return last[b.count]
    }
}

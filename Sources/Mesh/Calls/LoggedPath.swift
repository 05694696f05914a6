import MeshManifest

/// What of a path the log shows: by default without the query and with long runs of digits, and what looks like a mail
/// address, masked. People's numbers end up in paths.
extension Manifest.LoggedPath {
    func show(_ path: String) -> String {
        switch self {
        case .full: return path
        case .off: return "/…"
        case .masked:
            let end = path.utf8.firstIndex(of: UInt8(ascii: "?")) ?? path.endIndex
            let bare = path[..<end]
            guard Self.isSuspicious(bare) else { return String(bare) }
            return Self.mask(bare)
        }
    }

    private static func isSuspicious(_ path: Substring) -> Bool {
        var digits = 0
        for byte in path.utf8 {
            if byte == UInt8(ascii: "@") || byte == UInt8(ascii: "%") { return true }
            digits = byte >= 0x30 && byte <= 0x39 ? digits + 1 : 0
            if digits >= 6 { return true }
        }
        return false
    }

    /// Segment by segment: one with `@` (also written `%40`) goes whole, of others each run of six digits and more.
    private static func mask(_ path: Substring) -> String {
        path.split(separator: "/", omittingEmptySubsequences: false).map { segment -> String in
            if segment.contains("@") || segment.lowercased().contains("%40") { return "***" }
            var shown = ""
            var run = ""
            for character in segment + "/" {
                if character.isASCII, character.isNumber {
                    run.append(character)
                } else {
                    shown += run.count >= 6 ? "***" : run
                    run = ""
                    shown.append(character)
                }
            }
            return String(shown.dropLast())
        }.joined(separator: "/")
    }
}

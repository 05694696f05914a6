/// A route that its service declares safe to be sent twice: `POST /validate`, `POST /orders/*`.
struct RepeatableRoute: Sendable, Equatable, CustomStringConvertible {
    let method: String
    /// Exact, or without the `*` of a last segment.
    private let path: String
    private let takesAnythingBelow: Bool

    /// - Returns: nil where the text is not a method, a space and a path; a `*` may be the last segment alone.
    init?(_ text: some StringProtocol) {
        let words = text.split(separator: " ", omittingEmptySubsequences: false)
        guard words.count == 2, !words[0].isEmpty, words[1].hasPrefix("/"), !words[1].utf8.contains(UInt8(ascii: "?"))
        else { return nil }
        method = String(words[0])
        takesAnythingBelow = words[1].hasSuffix("/*")
        path = String(takesAnythingBelow ? words[1].dropLast() : words[1])
        guard !path.utf8.contains(UInt8(ascii: "*")) else { return nil }
    }

    var description: String {
        "\(method) \(path)\(takesAnythingBelow ? "*" : "")"
    }

    /// - Parameter path: as in the request line; its query says nothing.
    func matches(method: some StringProtocol, path: some StringProtocol) -> Bool {
        guard method == self.method else { return false }
        let bytes = path.utf8.prefix { $0 != UInt8(ascii: "?") }
        guard takesAnythingBelow else { return bytes.elementsEqual(self.path.utf8) }
        let below = bytes.dropFirst(self.path.utf8.count)
        return !below.isEmpty && bytes.starts(with: self.path.utf8) && !Self.climbs(below)
    }

    /// Whether an application could read a path as another one than it looks: `..`, `//`, an encoded dot, slash or
    /// backslash. Such a path is not covered by a `*`.
    private static func climbs(_ path: some Collection<UInt8>) -> Bool {
        let text = String(decoding: path, as: UTF8.self).lowercased()
        return ["/", "\\"].contains(text.prefix(1))
            || ["..", "//", "\\", "%2e", "%2f", "%5c"].contains { text.contains($0) }
    }
}

extension RoutedInstance {
    /// Whether a request may be sent twice, though nobody knows if it was delivered: its method is idempotent
    /// (RFC 9110 §9.2.2), its caller gave it an `Idempotency-Key`, or the service declares the route.
    func isRepeatable(method: some StringProtocol, path: some StringProtocol, hasIdempotencyKey: Bool) -> Bool {
        switch method {
        case "GET", "HEAD", "PUT", "DELETE", "OPTIONS": true
        default: hasIdempotencyKey || repeatable.contains { $0.matches(method: method, path: path) }
        }
    }
}

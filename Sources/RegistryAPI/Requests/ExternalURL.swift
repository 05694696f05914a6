public import RegistryModel

/// The URL of an external service, checked: `http` or `https`, a host, perhaps a port and a path.
public struct ExternalURL: Sendable, Equatable {
    public let text: String
    public let isTLS: Bool
    public let host: String
    public let port: UInt16

    /// - Throws: `invalidField`, with what is wrong.
    public init(_ text: String) throws(RegistryModelError) {
        func invalid(_ why: String) -> RegistryModelError {
            RegistryModelError(.invalidField, "the URL \(text.prefix(200)) \(why)")
        }
        guard text.utf8.count <= 2_048, text.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F }) else {
            throw invalid("is over 2,048 bytes or has spaces or other characters that must be escaped")
        }
        let rest: Substring
        if text.hasPrefix("https://") {
            isTLS = true
            rest = text.dropFirst(8)
        } else if text.hasPrefix("http://") {
            isTLS = false
            rest = text.dropFirst(7)
        } else {
            let meant = text.firstRange(of: "://") == nil ? ": is https://\(text.prefix(200)) meant?" : ""
            throw invalid("does not begin with https:// or http://\(meant)")
        }
        let authority = rest.prefix { $0 != "/" && $0 != "?" && $0 != "#" }
        guard !authority.contains("@") else { throw invalid("holds a user name: credentials don't belong in it") }
        guard !rest.contains("#") else { throw invalid("has a fragment: leave out what is behind #") }
        let (host, portText) = Self.split(authority)
        var port: UInt16 = isTLS ? 443 : 80
        if let portText {
            guard let number = UInt16(portText), number != 0 else { throw invalid("has a port outside 1 to 65535") }
            port = number
        }
        _ = try Endpoint(host: host, port: port)
        self.text = text
        self.host = host
        self.port = port
    }

    /// `legacy.agency.gov` → `legacy-agency-gov`
    public var derivedName: String {
        String(host.lowercased().map { $0.isASCII && ($0.isLetter || $0.isNumber) ? $0 : "-" })
    }

    private static func split(_ authority: Substring) -> (host: String, port: Substring?) {
        if authority.hasPrefix("["), let end = authority.firstIndex(of: "]") {
            let host = String(authority[authority.index(after: authority.startIndex)..<end])
            let rest = authority[authority.index(after: end)...]
            return (host, rest.hasPrefix(":") ? rest.dropFirst() : nil)
        }
        let parts = authority.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
        return (String(parts.first ?? ""), parts.count == 2 ? parts[1] : nil)
    }
}

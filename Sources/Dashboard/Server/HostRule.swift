/// Who is answered: requests that name loopback in `Host`, and come from no page of elsewhere.
///
/// A web page can have a name of its own point to 127.0.0.1 and then read what answers there (DNS rebinding); its browser
/// still sends that name.
struct HostRule: Sendable, Equatable {
    private static let names: Set<String> = ["localhost", "127.0.0.1", "[::1]"]

    /// - Parameter host: of the request; nil or empty: it named none.
    static func answers(host: String?) -> Bool {
        guard let host, !host.isEmpty else { return false }
        return names.contains(name(of: host.lowercased()))
    }

    /// - Parameter site: `Sec-Fetch-Site` (Fetch Metadata Request Headers §2.4); nil: no browser that sends it.
    static func answers(site: String?, isPage: Bool) -> Bool {
        switch site {
        case nil, "same-origin", "none": true
        default: isPage
        }
    }

    private static func name(of authority: String) -> String {
        if authority.hasPrefix("[") {
            guard let close = authority.firstIndex(of: "]") else { return authority }
            let port = authority[authority.index(after: close)...]
            return port.isEmpty || isPort(port) ? String(authority[...close]) : authority
        }
        guard let colon = authority.firstIndex(of: ":") else { return authority }
        return isPort(authority[colon...]) ? String(authority[..<colon]) : authority
    }

    /// `:9010`
    private static func isPort(_ text: Substring) -> Bool {
        text.first == ":" && UInt16(text.dropFirst()) != nil
    }
}

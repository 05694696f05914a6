import RegistryModel

/// Where a registry listens: its operator's socket, its TLS door, or its plain door on loopback.
public struct RegistryAddress: Hashable, Sendable, CustomStringConvertible {
    package enum Place: Hashable, Sendable {
        case socket(path: String)
        case tcp(host: String, port: Int)
        case tls(host: String, port: Int)
    }

    package let place: Place

    /// `unix:/path/regd.sock`, `https://reg.gov.local:9000`, the same without `https://`, or `http://127.0.0.1:9001`
    ///
    /// - Throws: `bad-address`, with the forms.
    public init(_ text: String) throws(RegistryClientError) {
        if text.hasPrefix("unix:") {
            try self.init(socket: String(text.dropFirst(5)))
        } else if text.hasPrefix("http://") {
            let (host, port) = try Self.authority(text.dropFirst(7), text)
            guard host == "localhost" || host == "::1" || host.hasPrefix("127.") else {
                throw Self.bad(text, "is not on this machine: without TLS a registry is reached on loopback only")
            }
            self.init(place: .tcp(host: host, port: port))
        } else if text.hasPrefix("https://") || !text.contains("://") {
            let (host, port) = try Self.authority(text.hasPrefix("https://") ? text.dropFirst(8) : text[...], text)
            self.init(place: .tls(host: host, port: port))
        } else {
            throw Self.bad(text, "is neither unix:PATH nor https://HOST:PORT")
        }
    }

    /// - Throws: `bad-address` where the path is empty or longer than the kernel takes.
    public init(socket path: String) throws(RegistryClientError) {
        guard !path.isEmpty, path.utf8.count < 108 else {
            throw Self.bad("unix:" + path, "names no socket, or one of over 107 bytes")
        }
        place = .socket(path: path)
    }

    private init(place: Place) {
        self.place = place
    }

    private static func authority(
        _ authority: Substring,
        _ text: String
    ) throws(RegistryClientError) -> (host: String, port: Int) {
        let authority = authority.hasSuffix("/") ? authority.dropLast() : authority
        guard let colon = authority.lastIndex(of: ":"),
            let port = UInt16(authority[authority.index(after: colon)...]), port != 0
        else { throw Self.bad(text, "names no port") }
        var host = authority[..<colon]
        if host.hasPrefix("["), host.hasSuffix("]") { host = host.dropFirst().dropLast() }
        guard !host.isEmpty, host.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F && $0 != UInt8(ascii: "/") }) else {
            throw Self.bad(text, "names no host")
        }
        return (String(host), Int(port))
    }

    /// Whether it is a TLS door, to which credentials belong.
    public var isTLS: Bool {
        if case .tls = place { true } else { false }
    }

    /// A socket, or a door on loopback.
    public var isOnThisMachine: Bool {
        switch place {
        case .socket: true
        case .tcp(let host, _), .tls(let host, _): host == "localhost" || host == "::1" || host.hasPrefix("127.")
        }
    }

    /// `host:port`, or the socket's path: by which an identity is kept.
    public var authority: String {
        switch place {
        case .socket(let path): path
        case .tcp, .tls: host
        }
    }

    public var description: String {
        switch place {
        case .socket(let path): "unix:\(path)"
        case .tcp: "http://\(host)"
        case .tls: "https://\(host)"
        }
    }

    /// For the `Host` header.
    var host: String {
        switch place {
        case .socket: "localhost"
        case .tcp(let host, let port), .tls(let host, let port):
            host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)"
        }
    }

    private static func bad(_ text: String, _ why: String) -> RegistryClientError {
        RegistryClientError(
            .badAddress,
            "the registry's address \(text.prefix(200)) \(why)",
            hint: "for example unix:/run/hms/regd.sock or https://reg.gov.local:9000"
        )
    }
}

extension RegistryAddress {
    /// Where a registry is looked for when none is named: the user's socket, then the machine's, then the dev
    /// registry's own, which is the same whatever the session's runtime directory.
    ///
    /// - Parameter environment: looks up a variable.
    public static func wellKnownSockets(environment: (String) -> String?) -> [String] {
        let user = UserDirectories(environment: environment)
        return [user?.registrySocket, "/run/hms/regd.sock", user?.devRegistrySocket].compactMap { $0 }
    }
}

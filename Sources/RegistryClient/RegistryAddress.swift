import RegistryModel

/// Where a registry listens: its operator's socket, or its plain door on loopback.
public struct RegistryAddress: Hashable, Sendable, CustomStringConvertible {
    package enum Place: Hashable, Sendable {
        case socket(path: String)
        case tcp(host: String, port: Int)
    }

    package let place: Place

    /// `unix:/path/regd.sock` or `http://127.0.0.1:9001`
    ///
    /// - Throws: `bad-address`, with the forms.
    public init(_ text: String) throws(RegistryClientError) {
        if text.hasPrefix("unix:") {
            try self.init(socket: String(text.dropFirst(5)))
        } else if text.hasPrefix("http://") {
            try self.init(authority: text.dropFirst(7), text)
        } else {
            throw Self.bad(text, "is neither unix:PATH nor http://HOST:PORT")
        }
    }

    /// - Throws: `bad-address` where the path is empty or longer than the kernel takes.
    public init(socket path: String) throws(RegistryClientError) {
        guard !path.isEmpty, path.utf8.count < 108 else {
            throw Self.bad("unix:" + path, "names no socket, or one of over 107 bytes")
        }
        place = .socket(path: path)
    }

    private init(authority: Substring, _ text: String) throws(RegistryClientError) {
        let authority = authority.hasSuffix("/") ? authority.dropLast() : authority
        guard let colon = authority.lastIndex(of: ":"),
            let port = UInt16(authority[authority.index(after: colon)...]), port != 0
        else { throw Self.bad(text, "names no port") }
        var host = authority[..<colon]
        if host.hasPrefix("["), host.hasSuffix("]") { host = host.dropFirst().dropLast() }
        guard host == "localhost" || host == "::1" || host.hasPrefix("127.") else {
            throw Self.bad(text, "is not on this machine: without TLS a registry is reached on loopback only")
        }
        place = .tcp(host: String(host), port: Int(port))
    }

    public var description: String {
        switch place {
        case .socket(let path): "unix:\(path)"
        case .tcp(let host, let port): host.contains(":") ? "http://[\(host)]:\(port)" : "http://\(host):\(port)"
        }
    }

    /// For the `Host` header.
    var host: String {
        switch place {
        case .socket: "localhost"
        case .tcp(let host, let port): host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)"
        }
    }

    private static func bad(_ text: String, _ why: String) -> RegistryClientError {
        RegistryClientError(
            .badAddress,
            "the registry's address \(text.prefix(200)) \(why)",
            hint: "for example unix:/run/hms/regd.sock or http://127.0.0.1:9001"
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

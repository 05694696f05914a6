import Glibc
import Hummingbird
import NIOCore
public import Registry
import Supervision

/// Where a door listens: a TCP address or a Unix socket.
public struct ListenAddress: Sendable, Equatable, CustomStringConvertible {
    private enum Place: Sendable, Equatable {
        case tcp(host: String, port: UInt16)
        case socket(path: String)
    }

    private var place: Place

    /// `127.0.0.1:9001`, `[::1]:9001`, `localhost:0`
    ///
    /// - Throws: `bad-request`, with the form.
    public init(_ text: String) throws(RegistryError) {
        guard let colon = text.lastIndex(of: ":"), let port = UInt16(text[text.index(after: colon)...]) else {
            throw RegistryError(.badRequest, "\(text) is no HOST:PORT", hint: "for example 127.0.0.1:9001")
        }
        var host = text[..<colon]
        if host.hasPrefix("["), host.hasSuffix("]") { host = host.dropFirst().dropLast() }
        guard !host.isEmpty else {
            throw RegistryError(.badRequest, "\(text) names no host", hint: "for example 127.0.0.1:9001")
        }
        place = .tcp(host: String(host), port: port)
    }

    /// - Throws: `bad-request` where the path is longer than the kernel takes.
    public init(socket path: String) throws(RegistryError) {
        guard path.utf8.count < 108 else {
            throw RegistryError(
                .badRequest,
                "the socket's path \(path) is over 107 bytes, more than the kernel takes",
                hint: "give a shorter one: --socket PATH"
            )
        }
        place = .socket(path: path)
    }

    var isLoopback: Bool {
        switch place {
        case .socket: true
        case .tcp(let host, _): host == "localhost" || host == "::1" || host.hasPrefix("127.")
        }
    }

    /// The same host, and whatever port is free.
    var onFreePort: ListenAddress {
        switch place {
        case .tcp(let host, _): ListenAddress(place: .tcp(host: host, port: 0))
        case .socket: self
        }
    }

    private init(place: Place) {
        self.place = place
    }

    /// Tries to bind, and lets go again: what stands in the way, in words; nil where nothing does.
    func problemOfBinding() -> (text: String, isTaken: Bool)? {
        guard case .tcp(let host, let port) = place, port != 0 else { return nil }
        let address: SocketAddress
        do {
            address = try SocketAddress.makeAddressResolvingHost(host, port: Int(port))
        } catch {
            return ("\(host) is no address of this machine", false)
        }
        let descriptor = socket(address.protocol == .inet6 ? AF_INET6 : AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        var reuse: Int32 = 1
        setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &reuse, socklen_t(MemoryLayout<Int32>.size))
        let bound = address.withSockAddr { bind(descriptor, $0, socklen_t($1)) }
        guard bound != 0 else { return nil }
        return (String(cString: strerror(errno)).lowercased(), errno == EADDRINUSE)
    }

    var isSocket: Bool {
        if case .socket = place { true } else { false }
    }

    var bindAddress: BindAddress {
        switch place {
        case .tcp(let host, let port): .hostname(host, port: Int(port))
        case .socket(let path): .unixDomainSocket(path: path)
        }
    }

    public var description: String {
        switch place {
        case .tcp(let host, let port): host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)"
        case .socket(let path): "unix:\(path)"
        }
    }

    static func text(of address: SocketAddress) -> String? {
        guard let host = address.ipAddress, let port = address.port else { return nil }
        return host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)"
    }

    /// Makes the socket's folder and removes a dead socket.
    ///
    /// - Returns: false where somebody answers there already and the socket isn't required.
    func prepareSocket(isRequired: Bool) throws(RegistryError) -> Bool {
        guard case .socket(let path) = place else { return true }
        let parts = path.split(separator: "/").dropLast()
        let folder = (path.hasPrefix("/") ? "/" : "") + parts.joined(separator: "/")
        if !folder.isEmpty { _ = mkdir(folder, 0o700) }
        if LocalSocket.isAnswered(path) {
            guard !isRequired else {
                throw RegistryError(.dataDirectory, "somebody listens on \(path) already")
            }
            return false
        }
        if access(folder.isEmpty ? "." : folder, W_OK) != 0 {
            guard !isRequired else {
                throw RegistryError(.dataDirectory, "\(path) can't be made: \(String(cString: strerror(errno)))")
            }
            return false
        }
        return true
    }

    /// Mode 0600, or 0660 with the group.
    func protectSocket(group name: String?) throws(RegistryError) {
        guard case .socket(let path) = place else { return }
        guard let name else {
            chmod(path, 0o600)
            return
        }
        guard let group = getgrnam(name) else {
            throw RegistryError(.badRequest, "there is no group \(name) on this machine")
        }
        guard chown(path, geteuid(), group.pointee.gr_gid) == 0, chmod(path, 0o660) == 0 else {
            throw RegistryError(
                .badRequest,
                "\(path) can't be given to group \(name): \(String(cString: strerror(errno)))"
            )
        }
    }

    func removeSocket() {
        if case .socket(let path) = place { unlink(path) }
    }
}

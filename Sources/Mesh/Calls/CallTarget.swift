import NIOCore
import RegistryModel

/// Whom a request is for, as its target or `Host` says.
enum CallTarget {
    case service(ServiceName, RequestTarget)
    /// A name outside of the mesh.
    case egress(host: String, port: Int, RequestTarget)
    case unclear(String)
}

/// Tells services from the rest of the world by the request's authority (RFC 9110 §7.2).
struct TargetResolver {
    /// `gov.local`: `<label>.gov.local` is a service as `<label>` is.
    let trustDomainSuffix: String

    init(trustDomain: String) {
        trustDomainSuffix = "." + trustDomain
    }

    /// - Parameters:
    ///   - listener: the address that the request came to.
    ///   - fixedAuthority: of the `CONNECT` around it.
    func resolve(_ head: RequestHead, listener: String, fixedAuthority: String? = nil) -> CallTarget {
        let (authority, target) = head.block.bytes.withUnsafeReadableBytes { bytes in
            split(head, UnsafeRawBufferPointer(rebasing: bytes[head.target.integers]))
        }
        if let fixedAuthority { return resolve(authority: fixedAuthority, target, head, listener) }
        guard let name = authority ?? head.authority.map(head.block.text) ?? head.block.value(.host) else {
            return .unclear("it names no host")
        }
        return resolve(authority: name, target, head, listener)
    }

    private func resolve(
        authority: String,
        _ target: RequestTarget,
        _ head: RequestHead,
        _ listener: String
    ) -> CallTarget {
        if isListener(authority, listener) {
            guard let name = head.block.value(.meshService) else {
                return .unclear(
                    "Host is the sidecar's own address, and no x-hms-service says which service is meant"
                )
            }
            guard let service = try? ServiceName(name) else { return .unclear("x-hms-service is no service's name") }
            var target = target
            target.authority = name
            return .service(service, target)
        }
        guard let (host, port) = splitPort(authority) else { return .unclear("its host can't be read") }
        if let service = service(host) { return .service(service, target) }
        return .egress(host: host, port: port ?? 80, target)
    }

    func service(_ host: Substring) -> ServiceName? {
        let label = host.hasSuffix(trustDomainSuffix) ? host.dropLast(trustDomainSuffix.utf8.count) : host
        guard !label.utf8.contains(UInt8(ascii: ".")) else { return nil }
        return try? ServiceName(label.lowercased())
    }

    private func service(_ host: String) -> ServiceName? {
        service(host[...])
    }

    /// The listener's own address; requests to it name their service in `x-hms-service`.
    private func isListener(_ authority: String, _ listener: String) -> Bool {
        if authority == listener { return true }
        guard let (host, port) = splitPort(authority), let mine = splitPort(listener), port == mine.port else {
            return false
        }
        return host == "localhost" || host == "127.0.0.1" || host == "::1"
    }

    /// The authority of an absolute form, and the path that goes on.
    private func split(_ head: RequestHead, _ target: UnsafeRawBufferPointer) -> (String?, RequestTarget) {
        let whole = RequestTarget(path: head.target)
        if head.isConnect { return (String(decoding: target, as: UTF8.self), whole) }
        guard target.first != UInt8(ascii: "/"), let scheme = target.firstIndex(of: UInt8(ascii: ":")),
            target.count > scheme + 3, target[scheme + 1] == UInt8(ascii: "/"), target[scheme + 2] == UInt8(ascii: "/")
        else { return (nil, whole) }
        let start = scheme + 3
        let end = target[start...].firstIndex { $0 == UInt8(ascii: "/") || $0 == UInt8(ascii: "?") } ?? target.count
        var authority = target[start..<end]
        if let at = authority.lastIndex(of: UInt8(ascii: "@")) { authority = authority[(at + 1)...] }
        let name = String(decoding: authority, as: UTF8.self)
        // An absolute form's authority goes before what Host says (RFC 9112 §3.2.2).
        guard end < target.count, target[end] == UInt8(ascii: "/") else {
            return (name, RequestTarget(path: head.target, authority: name, isRoot: true))
        }
        let path = (head.target.lowerBound + UInt16(end))..<head.target.upperBound
        return (name, RequestTarget(path: path, authority: name))
    }

    /// `host:port`, `[::1]:port`, or a host alone.
    private func splitPort(_ authority: String) -> (host: String, port: Int?)? {
        if authority.hasPrefix("[") {
            guard let close = authority.firstIndex(of: "]") else { return nil }
            let host = String(authority[authority.index(after: authority.startIndex)..<close])
            let rest = authority[authority.index(after: close)...]
            guard !rest.isEmpty else { return (host, nil) }
            guard rest.hasPrefix(":"), let port = UInt16(rest.dropFirst()) else { return nil }
            return (host, Int(port))
        }
        guard let colon = authority.lastIndex(of: ":") else { return authority.isEmpty ? nil : (authority, nil) }
        guard let port = UInt16(authority[authority.index(after: colon)...]) else { return nil }
        let host = String(authority[..<colon])
        return host.isEmpty || host.contains(":") ? nil : (host, Int(port))
    }
}

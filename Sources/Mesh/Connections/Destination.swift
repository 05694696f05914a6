import Identity
import NIOCore
import RegistryModel

/// Where a connection goes, and how it is secured.
enum Destination: Hashable, Sendable {
    /// Another sidecar: mutual TLS, and it must be this service.
    case mesh(Endpoint, ServiceName)
    /// Another sidecar's own answers, by mutual TLS as for ``mesh(_:_:)``.
    case admin(Endpoint, ServiceName)
    /// The application beside this sidecar, plain.
    case app(host: String, port: Int, http2: Bool)
    /// A service outside of the mesh: TLS with the system's roots and its host name, or plain where its URL says `http`.
    case external(host: String, port: Int, tls: Bool)

    var host: String {
        switch self {
        case .mesh(let endpoint, _), .admin(let endpoint, _): endpoint.host
        case .app(let host, _, _), .external(let host, _, _): host
        }
    }

    var port: Int {
        switch self {
        case .mesh(let endpoint, _), .admin(let endpoint, _): Int(endpoint.port)
        case .app(_, let port, _), .external(_, let port, _): port
        }
    }

    /// What ALPN must have agreed on; nil: whatever it did.
    var protocolName: String? {
        if case .admin = self { RemoteAdmin.protocolName } else { nil }
    }

    /// How long a connection may lie idle here before it is closed. Between sidecars both ends are ours, and the server keeps
    /// longer than the client; an application closes when it likes, commonly after 2 to 5 s (RFC 9112 §9.5).
    var keepAlive: TimeAmount {
        switch self {
        case .mesh, .admin: .seconds(60)
        case .app: .milliseconds(1_500)
        case .external: .seconds(10)
        }
    }
}

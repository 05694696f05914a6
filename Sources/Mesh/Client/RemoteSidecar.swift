import Identity
import NIOCore
import NIOSSL
public import RegistryClient
public import RegistryModel

/// A sidecar elsewhere, as the registry tells of it.
public struct RemoteSidecar: Sendable {
    /// As ALPN names what is spoken to it.
    public static let protocolName = RemoteAdmin.protocolName

    public var endpoint: Endpoint
    /// Whose sidecar must be there.
    public var service: ServiceName

    public init(endpoint: Endpoint, service: ServiceName) {
        self.endpoint = endpoint
        self.service = service
    }
}

extension SidecarCaller {
    /// Asks a sidecar elsewhere, by mutual TLS.
    ///
    /// - Parameter credentials: with an identity: an operator's.
    /// - Throws: ``SidecarError`` where there is none; what NIOSSL says of a certificate that it can't take.
    public convenience init(remote: RemoteSidecar, credentials: RegistryCredentials) throws {
        guard let identity = credentials.identity else {
            throw SidecarError(.configuration, "nobody may ask a sidecar without a certificate")
        }
        let own = try MeshCredentials(
            svid: identity.svid,
            key: identity.key,
            bundle: credentials.bundle,
            denyList: DenyList()
        )
        self.init(pool: { loop in
            let connector = Connector(loop: loop, clock: WallClock.now)
            connector.credentials = own
            return ConnectionPool(destination: .admin(remote.endpoint, remote.service), connector: connector)
        })
    }
}

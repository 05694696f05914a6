import Identity
import NIOSSL
import RegistryModel

/// Who this sidecar is and whom it believes, at one moment: every change of certificate, bundle or deny list makes a new one
/// with TLS contexts of its own, so that no session of the old ones is ever resumed.
struct MeshCredentials: Sendable {
    let svid: X509SVID
    let bundle: TrustBundle
    let denyList: DenyList
    /// For callers: TLS 1.3, a verified client certificate is a must.
    let server: NIOSSLContext
    /// Towards other sidecars, one a protocol that ALPN offers.
    let http1: NIOSSLContext
    let http2: NIOSSLContext
    /// Towards another sidecar's own answers (``RemoteAdmin``).
    let admin: NIOSSLContext

    /// - Throws: what NIOSSL says of keys and certificates that it can't take.
    init(svid: X509SVID, key: WorkloadKey, bundle: TrustBundle, denyList: DenyList) throws {
        self.svid = svid
        self.bundle = bundle
        self.denyList = denyList
        let chain = try NIOSSLCertificate.fromPEMBytes(Array(svid.pem.utf8)).map {
            NIOSSLCertificateSource.certificate($0)
        }
        let privateKey = NIOSSLPrivateKeySource.privateKey(
            try NIOSSLPrivateKey(bytes: Array(key.pem.utf8), format: .pem)
        )
        let roots = NIOSSLTrustRoots.certificates(try NIOSSLCertificate.fromPEMBytes(Array(bundle.pem.utf8)))

        var server = TLSConfiguration.makeServerConfiguration(certificateChain: chain, privateKey: privateKey)
        server.minimumTLSVersion = .tlsv13
        // The name is checked by `PeerAuthorization` once the handshake is over: SPIFFE IDs are no host names.
        server.certificateVerification = .noHostnameVerification
        server.trustRoots = roots
        server.applicationProtocols = ["h2", "http/1.1", RemoteAdmin.protocolName]
        self.server = try NIOSSLContext(configuration: server)

        var client = TLSConfiguration.makeClientConfiguration()
        client.minimumTLSVersion = .tlsv13
        client.certificateVerification = .noHostnameVerification
        client.trustRoots = roots
        client.certificateChain = chain
        client.privateKey = privateKey
        client.applicationProtocols = ["http/1.1"]
        http1 = try NIOSSLContext(configuration: client)
        client.applicationProtocols = ["h2"]
        http2 = try NIOSSLContext(configuration: client)
        client.applicationProtocols = [RemoteAdmin.protocolName]
        admin = try NIOSSLContext(configuration: client)
    }
}

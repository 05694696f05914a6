import Identity
import NIOSSL
import RegistryModel
import SwiftASN1
import X509

/// Who is at the other end of a connection.
struct Peer {
    let id: SPIFFEID
    /// The id's: calls tell it, each of them.
    let name: String
    let leaf: Certificate
}

/// Judges peers' certificates after their handshakes. The same few peers connect again and again: their certificates, once
/// parsed, are kept, never the judgement.
final class PeerCertificates {
    private static let mostKept = 1_024

    private var parsed: [[UInt8]: Certificate] = [:]

    /// - Parameter meant: who must be there; nil for whoever calls.
    /// - Throws: why the peer may not go on.
    func authorize(
        _ certificate: NIOSSLCertificate?,
        credentials: MeshCredentials,
        meant: SPIFFEID?,
        allow: PeerAuthorization.AllowList,
        now: Timestamp
    ) throws(PeerAuthorization.Refusal) -> Peer {
        guard let certificate, let leaf = read(certificate) else {
            throw PeerAuthorization.Refusal(code: .wrongPeer, message: "it showed no certificate that can be read")
        }
        let id = try PeerAuthorization.authorize(
            leaf,
            now: now,
            trustDomain: credentials.svid.id.trustDomain,
            meant: meant,
            denyList: credentials.denyList,
            allow: allow
        )
        return Peer(id: id, name: id.description, leaf: leaf)
    }

    private func read(_ certificate: NIOSSLCertificate) -> Certificate? {
        guard let der = try? certificate.toDERBytes() else { return nil }
        if let known = parsed[der] { return known }
        guard let read = try? Certificate(derEncoded: der) else { return nil }
        if parsed.count >= Self.mostKept { parsed.removeAll(keepingCapacity: true) }
        parsed[der] = read
        return read
    }
}

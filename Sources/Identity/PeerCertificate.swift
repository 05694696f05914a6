public import RegistryModel
import SwiftASN1
public import X509

/// The certificate that a peer showed in its handshake, read from the bytes that TLS has of it.
public struct PeerCertificate: Sendable {
    public let leaf: Certificate
    /// As events and `hms-reg cert` show it: lower-case hexadecimal.
    public let serial: String
    public let notAfter: Timestamp

    /// - Throws: `malformed-certificate`.
    public init(der: [UInt8]) throws(IdentityError) {
        do {
            leaf = try Certificate(derEncoded: der)
        } catch {
            throw IdentityError(.malformedCertificate, "a peer's certificate can't be read")
        }
        serial = leaf.serialNumber.hexadecimal
        notAfter = Timestamp(leaf.notValidAfter)
    }
}

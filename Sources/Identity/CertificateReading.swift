import Crypto
import Foundation
import RegistryModel
import SwiftASN1
public import X509

extension Certificate {
    /// SHA-256 of the SubjectPublicKeyInfo: what a root is pinned by, and a key's lineage is told by.
    public func publicKeyHash() throws(IdentityError) -> [UInt8] {
        try publicKey.spkiHash()
    }

    /// Reads one or more certificates from PEM, bounded: a bundle is a handful.
    ///
    /// - Throws: `malformed-certificate`.
    static func list(pem: String) throws(IdentityError) -> [Certificate] {
        guard pem.utf8.count <= 256 * 1_024 else {
            throw IdentityError(.malformedCertificate, "over 256 KiB of certificates")
        }
        do {
            return try PEMDocument.parseMultiple(pemString: pem).map { try Certificate(pemDocument: $0) }
        } catch {
            throw IdentityError(.malformedCertificate, "this is not PEM of certificates")
        }
    }

    /// As TLS sends it.
    public func der() throws(IdentityError) -> [UInt8] {
        do {
            var serializer = DER.Serializer()
            try serializer.serialize(self)
            return serializer.serializedBytes
        } catch {
            throw IdentityError(.malformedCertificate, "a certificate can't be written: \(error)")
        }
    }

    /// Reads one certificate, as TLS brought it.
    ///
    /// - Throws: `malformed-certificate`.
    public init(der: [UInt8]) throws(IdentityError) {
        do {
            try self.init(derEncoded: der)
        } catch {
            throw IdentityError(.malformedCertificate, "this is not DER of a certificate")
        }
    }

    func pem() throws(IdentityError) -> String {
        do {
            return try serializeAsPEM().pemString + "\n"
        } catch {
            throw IdentityError(.malformedCertificate, "a certificate can't be written: \(error)")
        }
    }
}

extension Certificate.PublicKey {
    func spkiHash() throws(IdentityError) -> [UInt8] {
        do {
            var serializer = DER.Serializer()
            try serializer.serialize(self)
            return Array(SHA256.hash(data: serializer.serializedBytes))
        } catch {
            throw IdentityError(.malformedCertificate, "a public key can't be written: \(error)")
        }
    }
}

extension Timestamp {
    /// Seconds are all that a certificate knows.
    var date: Date {
        Date(timeIntervalSince1970: Double(unixSeconds))
    }

    /// Saturates: a certificate's dates come from outside.
    init(_ date: Date) {
        let seconds = max(-9_000_000_000, min(9_000_000_000, date.timeIntervalSince1970.rounded(.down)))
        self.init(rawValue: Int64(seconds) * 1_000_000_000)
    }
}

import Crypto
import Foundation
public import X509

/// How somebody whose certificate has lapsed shows that he is who had it: its key signs the new request.
public enum RejoinProof {
    /// So that the signature can mean nothing else.
    private static let context = "hms-rejoin-v1\n"

    static func message(_ request: String) -> Data {
        Data((context + request).utf8)
    }

    /// Whether the key of `certificate` signed `request`, PEM as it was sent.
    ///
    /// - Parameter signature: DER of an ECDSA signature over SHA-256.
    public static func isValid(_ signature: [UInt8], of certificate: Certificate, over request: String) -> Bool {
        guard let key = P256.Signing.PublicKey(certificate.publicKey),
            let signature = try? P256.Signing.ECDSASignature(derRepresentation: signature)
        else { return false }
        return key.isValidSignature(signature, for: message(request))
    }
}

import FoundationEssentials
import SwiftProtobuf

// Identity's part of `Event+Protobuf`.

extension CertificateRecord {
    var message: Hms_Log_V1_CertificateIssued {
        .with {
            $0.serial = serial
            $0.spiffeID = spiffeID
            $0.keyHash = .init(keyHash)
            $0.lineage = .init(lineage)
            $0.notAfterUnixNs = notAfter.rawValue
        }
    }

    init(_ message: Hms_Log_V1_CertificateIssued) throws(RegistryModelError) {
        self.init(
            serial: message.serial,
            spiffeID: message.spiffeID,
            keyHash: try digest(message.keyHash),
            lineage: try digest(message.lineage),
            notAfter: Timestamp(rawValue: message.notAfterUnixNs)
        )
    }
}

extension Revocation {
    var message: Hms_Log_V1_CertificateRevoked {
        .with {
            switch subject {
            case .serial(let serial): $0.serial = serial
            case .service(let service): $0.service = service.description
            }
            $0.beforeUnixNs = before.rawValue
            $0.untilUnixNs = until.rawValue
        }
    }

    init(_ message: Hms_Log_V1_CertificateRevoked) throws(RegistryModelError) {
        let subject: Subject
        switch message.what {
        case .serial(let serial): subject = .serial(serial)
        case .service(let service): subject = .service(try ServiceName(service))
        case nil: throw RegistryModelError(.malformedEvent, "a revocation of nothing")
        }
        self.init(
            subject: subject,
            before: Timestamp(rawValue: message.beforeUnixNs),
            until: Timestamp(rawValue: message.untilUnixNs)
        )
    }
}

/// Exactly the 32 bytes of a SHA-256.
func digest(_ bytes: Data) throws(RegistryModelError) -> [UInt8] {
    guard bytes.count == 32 else { throw RegistryModelError(.malformedEvent, "a digest of \(bytes.count) bytes") }
    return [UInt8](bytes)
}

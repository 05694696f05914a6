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
            $0.role = .init(role)
            switch grounds {
            case .operatorsAct: $0.grounds = .unspecified
            case .token: $0.grounds = .token
            case .renewal: $0.grounds = .renewal
            case .rejoin: $0.grounds = .rejoin
            }
            $0.previous = previous
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
        role = PersonRole(message.role)
        switch message.grounds {
        case .unspecified, .UNRECOGNIZED: grounds = .operatorsAct
        case .token: grounds = .token
        case .renewal: grounds = .renewal
        case .rejoin: grounds = .rejoin
        }
        previous = message.previous
    }
}

extension TokenRecord {
    var message: Hms_Log_V1_TokenCreated {
        .with {
            $0.hash = .init(hash)
            switch subject {
            case .service(let service): $0.service = service.description
            case .person(let role): $0.role = .init(role)
            }
            $0.uses = uses
            $0.expiresUnixNs = expires.rawValue
            $0.from = from
        }
    }

    init(_ message: Hms_Log_V1_TokenCreated) throws(RegistryModelError) {
        let subject: Subject
        switch message.subject {
        case .service(let service): subject = .service(try ServiceName(service))
        case .role(let role):
            guard let role = PersonRole(role) else { throw RegistryModelError(.malformedEvent, "a token of no role") }
            subject = .person(role)
        case nil: throw RegistryModelError(.malformedEvent, "a token for nothing")
        }
        self.init(
            hash: try digest(message.hash),
            subject: subject,
            uses: message.uses,
            expires: Timestamp(rawValue: message.expiresUnixNs),
            from: message.from
        )
    }
}

extension Hms_Log_V1_PersonRole {
    init(_ role: PersonRole?) {
        switch role {
        case .auditor: self = .auditor
        case .operator: self = .operator
        case nil: self = .unspecified
        }
    }
}

extension PersonRole {
    init?(_ role: Hms_Log_V1_PersonRole) {
        switch role {
        case .auditor: self = .auditor
        case .operator: self = .operator
        case .unspecified, .UNRECOGNIZED: return nil
        }
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

import RegistryModel

extension Command {
    /// The one instance that it is about.
    fileprivate var instanceKey: InstanceKey? {
        switch self {
        case .register(let registration): registration.instance.key
        case .report(let key, _, _, _, _), .drain(let key, _), .deregister(let key, _): key
        default: nil
        }
    }
}

extension CertificateRecord {
    fileprivate var service: ServiceName? {
        spiffeID.firstRange(of: "/svc/").flatMap { try? ServiceName(String(spiffeID[$0.upperBound...])) }
    }
}

extension CommandHandler {
    func issue<Store: RecordStore>(
        _ certificate: CertificateRecord,
        _ grounds: CertificateGrounds,
        _ store: Store
    ) throws -> Decision {
        var certificate = certificate
        var events: [EventKind] = []
        switch grounds {
        case .operatorsAct: certificate.grounds = .operatorsAct
        case .token(let hash, let host, let now):
            try check(try store.token(hash), for: certificate, host, now)
            certificate.grounds = .token
            events.append(.tokenUsed(hash: hash, serial: certificate.serial))
        case .renewal:
            certificate.grounds = .renewal
            try checkNotRevoked(try store.certificate(certificate.previous), store)
        case .rejoin(let now, let window):
            certificate.grounds = .rejoin
            let lapsed = try store.certificate(certificate.previous)
            try checkNotRevoked(lapsed, store)
            try checkMayRejoin(lapsed, now, window)
        }
        return Decision(events: events + [.certificateIssued(certificate)], reply: .done)
    }

    private func check(
        _ token: TokenRecord?,
        for certificate: CertificateRecord,
        _ host: String,
        _ now: Timestamp
    ) throws(RegistryError) {
        guard let token, !token.isRevoked else { throw .badToken("is unknown here, or was revoked") }
        guard token.expires > now else { throw .badToken("ended at \(token.expires)") }
        guard token.used < token.uses else { throw .badToken("has been used already") }
        if !token.from.isEmpty, IPRange(token.from)?.contains(host) != true {
            throw .badToken("is for addresses inside \(token.from), not \(host)")
        }
        switch token.subject {
        case .service(let service):
            guard certificate.spiffeID.hasSuffix("/svc/\(service)") else {
                throw .badToken("is for the service \(service)")
            }
        case .person(let role):
            guard certificate.role == role, certificate.spiffeID.contains("/user/") else {
                throw .badToken("is for a person's certificate (\(role))")
            }
        }
    }

    private func checkNotRevoked<Store: RecordStore>(_ certificate: CertificateRecord?, _ store: Store) throws {
        guard let certificate else { return }
        let serial = try store.revocation(.serial(certificate.serial))
        let service = try certificate.service.flatMap { try store.revocation(.service($0)) }
        guard serial == nil, service.map({ certificate.notAfter <= $0.until }) != true else {
            throw RegistryError(
                .callerRevoked,
                "the certificate of \(certificate.spiffeID) was revoked",
                hint: "join anew with a token"
            )
        }
    }

    private func checkMayRejoin(
        _ lapsed: CertificateRecord?,
        _ now: Timestamp,
        _ window: Duration
    ) throws(RegistryError) {
        let hint = "join anew with a token"
        guard let lapsed else {
            throw RegistryError(.unknownCertificate, "no such certificate is on record", hint: hint)
        }
        guard now.since(lapsed.notAfter) <= window else {
            throw RegistryError(.notAllowed, "that certificate ended at \(lapsed.notAfter): too long ago", hint: hint)
        }
        guard !lapsed.isSpent else {
            throw RegistryError(.notAllowed, "that certificate has been used to rejoin already", hint: hint)
        }
    }

    func revokeToken<Store: RecordStore>(_ hash: [UInt8], _ store: Store) throws -> Decision {
        guard let token = try store.token(hash) else { throw RegistryError.badToken("is unknown here") }
        return token.isRevoked ? .nothing(.done) : Decision(events: [.tokenRevoked(hash: hash)], reply: .done)
    }

    /// A workload's own instances are those of its key lineage.
    func checkOwner<Store: RecordStore>(of command: Command, _ lineage: String, _ store: Store) throws {
        guard let key = command.instanceKey, let instance = try store.instance(key) else { return }
        guard instance.keyLineage == lineage else { throw RegistryError.notYours(key) }
    }

    /// Of one certificate: it must be on record, and is denied until its own end.
    func revoke<Store: RecordStore>(_ revocation: Revocation, _ store: Store) throws -> Decision {
        var revocation = revocation
        if case .serial(let serial) = revocation.subject {
            guard let certificate = try store.certificate(serial) else {
                throw RegistryError(
                    .unknownCertificate,
                    "no certificate \(serial.prefix(64)) is on record",
                    hint: "hms-reg cert list"
                )
            }
            revocation.until = certificate.notAfter
            guard try store.revocation(revocation.subject) == nil else { return .nothing(.done) }
        }
        return Decision(events: [.certificateRevoked(revocation)], reply: .done)
    }
}

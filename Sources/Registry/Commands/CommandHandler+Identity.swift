import RegistryModel

extension Command {
    /// The one instance that it is about.
    fileprivate var instanceKey: InstanceKey? {
        switch self {
        case .register(let registration): registration.instance.key
        case .report(let key, _, _, _, _), .drain(let key, _), .deregister(let key, _),
            .observe(let key, _, _, _):
            key
        default: nil
        }
    }
}

extension CertificateRecord {
    fileprivate var service: ServiceName? {
        spiffeID.firstRange(of: "/svc/").flatMap { try? ServiceName(String(spiffeID[$0.upperBound...])) }
    }

    /// Who it was stays as it was.
    fileprivate mutating func follow(_ previous: CertificateRecord, on grounds: Grounds) {
        self.grounds = grounds
        lineage = previous.lineage
        role = previous.role
    }
}

extension CommandHandler {
    /// Tokens on record at most, those that are over among them until they are forgotten.
    static let tokens = 10_000

    private static let joinAnew = "join anew with a token"

    /// Signed it is already: this says whether it goes on record, and so out.
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
        case .renewal(let now):
            let previous = try predecessor(of: certificate, store)
            guard now <= previous.notAfter else {
                throw RegistryError(
                    .notAllowed,
                    "that certificate ended at \(previous.notAfter): it is not renewed",
                    hint: "rejoin by proof of its key, or \(Self.joinAnew)"
                )
            }
            certificate.follow(previous, on: .renewal)
        case .rejoin(let now, let window):
            let lapsed = try predecessor(of: certificate, store)
            try checkMayRejoin(lapsed, for: certificate, now, window, store)
            certificate.follow(lapsed, on: .rejoin)
        }
        return Decision(events: events + [.certificateIssued(certificate)], reply: .done)
    }

    private func check(
        _ token: TokenRecord?,
        for certificate: CertificateRecord,
        _ host: String,
        _ now: Timestamp
    ) throws(RegistryError) {
        guard let token else { throw .badToken("is unknown here: another registry's, or forgotten since its end") }
        guard !token.isRevoked else { throw .badToken("was revoked") }
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

    /// The certificate that another one is to follow: on record, of the same name, and not revoked.
    private func predecessor<Store: RecordStore>(
        of certificate: CertificateRecord,
        _ store: Store
    ) throws -> CertificateRecord {
        guard let previous = try store.certificate(certificate.previous) else {
            throw RegistryError(.unknownCertificate, "no such certificate is on record", hint: Self.joinAnew)
        }
        guard previous.spiffeID == certificate.spiffeID else {
            throw RegistryError(
                .notAllowed,
                "the certificate is of \(previous.spiffeID), not of \(certificate.spiffeID)"
            )
        }
        let serial = try store.revocation(.serial(previous.serial))
        let service = try previous.service.flatMap { try store.revocation(.service($0)) }
        guard serial == nil, service.map({ previous.notAfter <= $0.until }) != true else {
            throw RegistryError(
                .callerRevoked,
                "the certificate of \(previous.spiffeID) was revoked",
                hint: Self.joinAnew
            )
        }
        return previous
    }

    /// After its end, within the window, and only by the last of its line. Asked again for the same new key it is the same
    /// rejoining, whose answer was lost.
    private func checkMayRejoin<Store: RecordStore>(
        _ lapsed: CertificateRecord,
        for certificate: CertificateRecord,
        _ now: Timestamp,
        _ window: Duration,
        _ store: Store
    ) throws {
        guard lapsed.notAfter < now else {
            throw RegistryError(
                .notAllowed,
                "that certificate is good until \(lapsed.notAfter): there is nothing to rejoin",
                hint: "renew it: show it on the connection"
            )
        }
        guard now.since(lapsed.notAfter) <= window else {
            throw RegistryError(
                .notAllowed,
                "that certificate ended at \(lapsed.notAfter): too long ago",
                hint: Self.joinAnew
            )
        }
        guard lapsed.isSpent else { return }
        let successors = try store.certificates(ofLineage: lapsed.lineage).filter { $0.previous == lapsed.serial }
        guard successors.contains(where: { $0.keyHash == certificate.keyHash }) else {
            throw RegistryError(
                .notAllowed,
                "another certificate was issued in the place of that one already",
                hint: Self.joinAnew
            )
        }
    }

    func createToken<Store: RecordStore>(_ token: TokenRecord, _ store: Store) throws -> Decision {
        guard try store.tokenCount() < Self.tokens else {
            throw RegistryError(
                .tooManyTokens,
                "there are \(Self.tokens) join tokens on record, the most there may be",
                hint: "one is forgotten a week after its end; --uses N makes one do for many"
            )
        }
        return Decision(events: [.tokenCreated(token)], reply: .done)
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

    /// Whether a certificate's bearer may look on at an instance's requests, which goes on record.
    func observe<Store: RecordStore>(
        _ key: InstanceKey,
        _ serial: String,
        _ target: String,
        _ now: Timestamp,
        _ store: Store
    ) throws -> Decision {
        _ = try existing(key, nil, in: store)
        guard let certificate = try store.certificate(serial), certificate.notAfter > now,
            try store.revocation(.serial(serial)) == nil
        else { throw RegistryError(.notAllowed, "no valid certificate \(serial.prefix(64)) is on record") }
        guard certificate.role == .operator else {
            throw RegistryError(
                .notAllowed,
                "only an operator may look on at the requests of \(key), and \(certificate.spiffeID) is none",
                hint: "an operator makes one: hms-reg token create --role operator"
            )
        }
        let record = TailRecord(key: key, spiffeID: certificate.spiffeID, serial: serial, target: target)
        return Decision(events: [.sidecarTailed(record)], reply: .done)
    }

    /// Of one certificate: it must be on record, and is denied until its own end. So is everything of its line, or whoever
    /// has one of its keys would go on with what it was renewed from or to.
    func revoke<Store: RecordStore>(_ revocation: Revocation, _ store: Store) throws -> Decision {
        guard case .serial(let serial) = revocation.subject else {
            return Decision(events: [.certificateRevoked(revocation)], reply: .done)
        }
        guard let certificate = try store.certificate(serial) else {
            throw RegistryError(
                .unknownCertificate,
                "no certificate \(serial.prefix(64)) is on record",
                hint: "hms-reg cert list"
            )
        }
        var events: [EventKind] = []
        for member in try store.certificates(ofLineage: certificate.lineage) {
            let subject = Revocation.Subject.serial(member.serial)
            guard try store.revocation(subject) == nil else { continue }
            let denied = Revocation(subject: subject, before: revocation.before, until: member.notAfter)
            events.append(.certificateRevoked(denied))
        }
        return Decision(events: events, reply: .done)
    }
}

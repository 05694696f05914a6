import RegistryModel
import TestSupport
import Testing

@testable import Registry

/// Decides over dictionaries, one command after the other.
final class IdentityDesk {
    private(set) var store = MemoryRecordStore()
    private let handler = CommandHandler(epoch: Epoch(rawValue: 1))
    private var sequence = SequenceNumber.none

    @discardableResult
    func carryOut(_ command: Command) throws -> [EventKind] {
        let decision = try handler.decide(command, sequence: sequence.next, in: store)
        var changes: [ViewChange] = []
        for kind in decision.events {
            sequence = sequence.next
            let event = Event(sequence: sequence, time: Sample.time, actor: nil, kind: kind)
            Projection.apply(event, to: &store, changes: &changes)
        }
        return decision.events
    }

    /// nil: it was carried out.
    func refusal(of command: Command) -> RegistryError? {
        do {
            try carryOut(command)
            return nil
        } catch {
            return error as? RegistryError ?? RegistryError(.viewFailed, "\(error)")
        }
    }
}

private let hash = [UInt8](repeating: 7, count: 32)

private func token(
    uses: UInt32 = 1,
    from: String = "",
    subject: TokenRecord.Subject? = nil
) throws -> TokenRecord {
    TokenRecord(
        hash: hash,
        subject: try subject ?? .service(try ServiceName("billing")),
        uses: uses,
        expires: Sample.time.advanced(by: .seconds(3_600)),
        from: from
    )
}

private func certificate(
    _ serial: String,
    _ path: String = "svc/billing",
    key: UInt8 = 1,
    ends: Duration = .seconds(86_400),
    after previous: String = ""
) -> CertificateRecord {
    var record = CertificateRecord(
        serial: serial,
        spiffeID: "spiffe://gov.local/\(path)",
        keyHash: [UInt8](repeating: key, count: 32),
        lineage: [UInt8](repeating: key, count: 32),
        notAfter: Sample.time.advanced(by: ends)
    )
    record.previous = previous
    return record
}

private func use(
    _ certificate: CertificateRecord,
    from host: String = "10.1.2.3",
    after wait: Duration = .zero,
    token: [UInt8] = hash
) -> Command {
    .issueCertificate(certificate, .token(hash: token, host: host, at: Sample.time.advanced(by: wait)))
}

@Suite("Decisions: join tokens")
struct TokenDecisionTests {
    @Test("a token lets one certificate be issued, both on record in one step, and no second")
    func once() throws {
        let desk = IdentityDesk()
        try desk.carryOut(.createToken(try token()))
        var issued = certificate("a1")
        let events = try desk.carryOut(use(issued))
        issued.grounds = .token
        #expect(events == [.tokenUsed(hash: hash, serial: "a1"), .certificateIssued(issued)])
        #expect(desk.refusal(of: use(certificate("a2")))?.code == .badToken)
        #expect(desk.store.certificate("a2") == nil)
        #expect(desk.store.token(hash)?.used == 1)
    }

    @Test("as often as it says, and not once more")
    func uses() throws {
        let desk = IdentityDesk()
        try desk.carryOut(.createToken(try token(uses: 3)))
        for serial in ["a1", "a2", "a3"] { #expect(desk.refusal(of: use(certificate(serial))) == nil) }
        #expect(desk.refusal(of: use(certificate("a4")))?.message.contains("has been used already") == true)
    }

    @Test("refused, and told why: unknown, ended, of another service, of people, from elsewhere, revoked")
    func refused() throws {
        let desk = IdentityDesk()
        try desk.carryOut(.createToken(try token(from: "10.1.0.0/16")))
        func why(_ command: Command) -> String { desk.refusal(of: command)?.message ?? "issued" }
        #expect(why(use(certificate("a"), token: [UInt8](repeating: 8, count: 32))).contains("is unknown here"))
        #expect(why(use(certificate("a"), after: .seconds(3_600))).contains("ended at"))
        #expect(why(use(certificate("a", "svc/ledger"))).contains("is for the service billing"))
        #expect(why(use(certificate("a", "user/billing"))).contains("is for the service billing"))
        #expect(why(use(certificate("a"), from: "10.2.2.3")).contains("addresses inside 10.1.0.0/16, not 10.2.2.3"))
        #expect(why(use(certificate("a"), from: "")).contains("addresses inside 10.1.0.0/16"))
        #expect(desk.store.certificates.isEmpty)
        #expect(why(use(certificate("a"))) == "issued")
        try desk.carryOut(.revokeToken(hash: hash))
        #expect(why(use(certificate("b"))).hasSuffix("the join token was revoked"))
    }

    @Test("a person's token gives the role that it is for, and no service a certificate")
    func people() throws {
        let desk = IdentityDesk()
        try desk.carryOut(.createToken(try token(uses: 2, subject: .person(.operator))))
        var ada = certificate("a", "user/ada")
        #expect(desk.refusal(of: use(ada))?.code == .badToken)
        ada.role = .operator
        #expect(desk.refusal(of: use(ada)) == nil)
        #expect(desk.refusal(of: use(certificate("b")))?.code == .badToken)
    }

    @Test("revoked once; what it let be issued stays")
    func revoked() throws {
        let desk = IdentityDesk()
        try desk.carryOut(.createToken(try token(uses: 2)))
        #expect(desk.refusal(of: use(certificate("a"))) == nil)
        #expect(try desk.carryOut(.revokeToken(hash: hash)) == [.tokenRevoked(hash: hash)])
        #expect(try desk.carryOut(.revokeToken(hash: hash)) == [])
        #expect(desk.store.certificate("a") != nil)
        #expect(desk.store.revocation(.serial("a")) == nil)
    }

    @Test("the number of tokens on record has a bound, and a week after their end they make room")
    func bound() throws {
        let desk = IdentityDesk()
        var made = try token()
        made.expires = Sample.time.advanced(by: .zero - Projection.rejoinWindow - .milliseconds(1))
        for number in 0..<CommandHandler.tokens {
            made.hash[0] = UInt8(number >> 8)
            made.hash[1] = UInt8(number & 255)
            try desk.carryOut(.record(.tokenCreated(made)))
        }
        #expect(desk.refusal(of: .createToken(try token()))?.code == .tooManyTokens)
        try desk.carryOut(.record(.registryStarted(version: "1", clean: true)))
        #expect(desk.refusal(of: .createToken(try token())) == nil)
    }
}

@Suite("Decisions: one certificate in the place of another")
struct SuccessionDecisionTests {
    private func desk(ends: Duration = .seconds(86_400)) throws -> IdentityDesk {
        let desk = IdentityDesk()
        var first = certificate("a1", ends: ends)
        first.role = .operator
        try desk.carryOut(.issueCertificate(first, .operatorsAct))
        return desk
    }

    private func renew(
        _ serial: String,
        _ old: String,
        _ path: String = "svc/billing",
        after wait: Duration = .zero
    ) -> Command {
        .issueCertificate(
            certificate(serial, path, key: 2, after: old),
            .renewal(at: Sample.time.advanced(by: wait))
        )
    }

    private func rejoin(_ serial: String, _ old: String, key: UInt8 = 2, after wait: Duration = .zero) -> Command {
        .issueCertificate(
            certificate(serial, key: key, after: old),
            .rejoin(at: Sample.time.advanced(by: wait), window: Projection.rejoinWindow)
        )
    }

    private func revoke(_ serial: String) -> Command {
        .revoke(Revocation(subject: .serial(serial), before: Sample.time, until: Sample.time))
    }

    @Test("renewed, it keeps line and role, and may be renewed again while it is good: the answer may have been lost")
    func renewal() throws {
        let desk = try desk()
        #expect(desk.refusal(of: renew("a2", "a1")) == nil)
        let renewed = try #require(desk.store.certificate("a2"))
        #expect(renewed.lineage == [UInt8](repeating: 1, count: 32))
        #expect(renewed.keyHash == [UInt8](repeating: 2, count: 32))
        #expect(renewed.role == .operator)
        #expect(renewed.grounds == .renewal)
        #expect(desk.refusal(of: renew("a3", "a1")) == nil)
    }

    @Test("not renewed: one that is on no record, has ended, was revoked, or is of another name")
    func noRenewal() throws {
        #expect(try desk().refusal(of: renew("a2", "zz"))?.code == .unknownCertificate)
        #expect(try desk().refusal(of: renew("a2", ""))?.code == .unknownCertificate)
        #expect(try desk(ends: .seconds(10)).refusal(of: renew("a2", "a1", after: .seconds(11)))?.code == .notAllowed)
        #expect(try desk().refusal(of: renew("a2", "a1", "svc/ledger"))?.code == .notAllowed)
        let revoked = try desk()
        try revoked.carryOut(revoke("a1"))
        #expect(revoked.refusal(of: renew("a2", "a1"))?.code == .callerRevoked)
    }

    @Test("who is revoked is revoked with all of his line, and neither renews nor rejoins himself out of it")
    func line() throws {
        let desk = try desk(ends: .seconds(10))
        try desk.carryOut(renew("a2", "a1"))
        try desk.carryOut(renew("a3", "a2"))
        try desk.carryOut(renew("a4", "a1"))
        try desk.carryOut(.issueCertificate(certificate("b1", key: 5), .operatorsAct))
        #expect(try desk.carryOut(revoke("a2")).count == 4)
        for serial in ["a1", "a2", "a3", "a4"] {
            #expect(desk.refusal(of: renew("x", serial))?.code == .callerRevoked)
        }
        #expect(desk.refusal(of: rejoin("x", "a1", after: .seconds(11)))?.code == .callerRevoked)
        #expect(try desk.carryOut(revoke("a2")) == [])
        #expect(desk.store.revocation(.serial("b1")) == nil)
        #expect(desk.refusal(of: renew("b2", "b1")) == nil)
    }

    @Test("rejoined after its end, once, within the window; the same new key may ask again, its answer was lost")
    func rejoining() throws {
        let desk = try desk(ends: .seconds(-60))
        #expect(desk.refusal(of: rejoin("a2", "a1")) == nil)
        let joined = try #require(desk.store.certificate("a2"))
        #expect(joined.role == .operator)
        #expect(joined.lineage == [UInt8](repeating: 1, count: 32))
        #expect(desk.refusal(of: rejoin("a3", "a1", key: 3))?.code == .notAllowed)
        #expect(desk.refusal(of: rejoin("a4", "a1", key: 2)) == nil)
        let late = try self.desk(ends: .zero - Projection.rejoinWindow)
        #expect(late.refusal(of: rejoin("a2", "a1", after: .milliseconds(1)))?.code == .notAllowed)
        #expect(late.refusal(of: rejoin("a2", "a1")) == nil)
    }

    @Test("not rejoined: one that is still good, was renewed or revoked, or whose service was revoked whole")
    func noRejoining() throws {
        #expect(try desk().refusal(of: rejoin("a2", "a1"))?.message.contains("is good until") == true)
        let renewed = try desk(ends: .seconds(10))
        try renewed.carryOut(renew("a2", "a1"))
        #expect(renewed.refusal(of: rejoin("a3", "a1", key: 3, after: .seconds(11)))?.code == .notAllowed)
        let revoked = try desk(ends: .seconds(-60))
        try revoked.carryOut(revoke("a1"))
        #expect(revoked.refusal(of: rejoin("a2", "a1"))?.code == .callerRevoked)
        let service = try desk(ends: .seconds(-60))
        let denial = Revocation(
            subject: .service(try ServiceName("billing")),
            before: Sample.time,
            until: Sample.time.advanced(by: .seconds(86_400))
        )
        try service.carryOut(.revoke(denial))
        #expect(service.refusal(of: rejoin("a2", "a1"))?.code == .callerRevoked)
        let other = certificate("c1", "svc/ledger", key: 4, ends: .seconds(-60))
        try service.carryOut(.issueCertificate(other, .operatorsAct))
        #expect(service.refusal(of: rejoin("c2", "c1"))?.code == .notAllowed)
    }
}

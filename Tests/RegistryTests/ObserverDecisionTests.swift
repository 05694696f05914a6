import RegistryModel
import TestSupport
import Testing

@testable import Registry

@Suite("Who may look on")
struct ObserverDecisionTests {
    private let key = Sample.key("billing", "1")

    /// A registry with an instance, and a certificate for a person.
    private func desk(_ role: PersonRole?, path: String = "user/ada") throws -> IdentityDesk {
        let desk = IdentityDesk()
        let instance = Instance(key: key, endpoint: try Endpoint(host: "10.0.0.1", port: 17_000))
        try desk.carryOut(.record(.instanceRegistered(instance, health: .healthy)))
        var record = CertificateRecord(
            serial: "c1",
            spiffeID: "spiffe://gov.local/\(path)",
            keyHash: [UInt8](repeating: 1, count: 32),
            lineage: [UInt8](repeating: 1, count: 32),
            notAfter: Sample.time.advanced(by: .seconds(3_600))
        )
        record.role = role
        try desk.carryOut(.issueCertificate(record, .operatorsAct))
        return desk
    }

    private func observe(after wait: Duration = .zero, serial: String = "c1", key: InstanceKey? = nil) -> Command {
        .observe(key ?? self.key, serial: serial, target: "/tail?service=billing", at: Sample.time.advanced(by: wait))
    }

    @Test("an operator may, and it is on record who, by which certificate, and what was asked for")
    func byOperator() throws {
        let events = try desk(.operator).carryOut(observe())
        #expect(
            events == [
                .sidecarTailed(
                    TailRecord(
                        key: key,
                        spiffeID: "spiffe://gov.local/user/ada",
                        serial: "c1",
                        target: "/tail?service=billing"
                    )
                )
            ]
        )
    }

    @Test("nobody else may: not an auditor, not a person without a role, not a service")
    func others() throws {
        for (role, path) in [(PersonRole.auditor, "user/ada"), (nil, "user/ada"), (nil, "svc/billing")] {
            let refusal = try desk(role, path: path).refusal(of: observe())
            #expect(refusal?.code == .notAllowed)
            #expect(refusal?.message.contains("only an operator may look on") == true)
        }
    }

    @Test("a certificate that has ended, was revoked or is on no record is worth nothing")
    func worthless() throws {
        let desk = try desk(.operator)
        #expect(desk.refusal(of: observe(after: .seconds(3_600)))?.code == .notAllowed)
        #expect(desk.refusal(of: observe(serial: "c2"))?.code == .notAllowed)
        #expect(desk.refusal(of: observe(key: Sample.key("billing", "2")))?.code == .unknownInstance)
        let revocation = Revocation(
            subject: .serial("c1"),
            before: Sample.time,
            until: Sample.time.advanced(by: .seconds(3_600))
        )
        try desk.carryOut(.revoke(revocation))
        #expect(desk.refusal(of: observe())?.code == .notAllowed)
    }
}

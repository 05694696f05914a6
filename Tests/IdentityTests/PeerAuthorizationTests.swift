import RegistryModel
import Testing
import X509

@testable import Identity

@Suite("Authorizing a peer")
struct PeerAuthorizationTests {
    private let domain: TrustDomain
    private let authority: CertificateAuthority
    private let caller: SPIFFEID
    private let svid: X509SVID

    init() throws {
        domain = try TrustDomain("gov.local")
        authority = try CertificateAuthority(trustDomain: domain, now: now)
        caller = try SPIFFEID("spiffe://gov.local/svc/photo-validator")
        svid = try authority.issue(caller, for: WorkloadKey().publicKey, now: now)
    }

    private func authorize(
        _ leaf: Certificate? = nil,
        at time: Timestamp = now,
        meant: SPIFFEID? = nil,
        denyList: DenyList = DenyList(),
        allow: PeerAuthorization.AllowList = .anyone
    ) throws(PeerAuthorization.Refusal) -> SPIFFEID {
        try PeerAuthorization.authorize(
            leaf ?? svid.leaf,
            now: time,
            trustDomain: domain,
            meant: meant,
            denyList: denyList,
            allow: allow
        )
    }

    private func expectRefusal(
        _ code: PeerAuthorization.Refusal.Code,
        _ words: String,
        _ body: () throws -> SPIFFEID,
        at location: SourceLocation = #_sourceLocation
    ) {
        do {
            let id = try body()
            Issue.record("\(id) was let in", sourceLocation: location)
        } catch let refusal as PeerAuthorization.Refusal {
            #expect(refusal.code == code, "\(refusal)", sourceLocation: location)
            #expect(refusal.message.contains(words), "\(refusal)", sourceLocation: location)
        } catch {
            Issue.record("\(error)", sourceLocation: location)
        }
    }

    @Test("lets in who has a good certificate, and says who it is")
    func good() throws {
        #expect(try authorize() == caller)
        #expect(try authorize(meant: caller) == caller)
        #expect(try authorize(at: now.advanced(by: .seconds(-3_599))) == caller)
        #expect(try authorize(at: now.advanced(by: .seconds(86_400))) == caller)
    }

    @Test("refuses by the dates, with how far off they are")
    func dates() {
        expectRefusal(.clockSkew, "only in 60 s") { try authorize(at: now.advanced(by: .seconds(-3_660))) }
        expectRefusal(.certificateExpired, "ended 5 s ago") { try authorize(at: now.advanced(by: .seconds(86_405))) }
    }

    @Test("refuses whoever is of another domain, another service, an authority or the registry")
    func otherPeers() throws {
        let elsewhere = try SPIFFEID("spiffe://other.local/svc/photo-validator")
        let foreign = try authority.issue(elsewhere, for: WorkloadKey().publicKey, now: now).leaf
        expectRefusal(.wrongPeer, "not of the trust domain gov.local") { try authorize(foreign) }
        let meant = try SPIFFEID("spiffe://gov.local/svc/payment-gateway")
        expectRefusal(.wrongPeer, "answered where spiffe://gov.local/svc/payment-gateway was meant") {
            try authorize(meant: meant)
        }
        expectRefusal(.wrongPeer, "an authority's") { try authorize(authority.issuer) }
        expectRefusal(.wrongPeer, "an authority's") { try authorize(authority.root) }
        let registry = try authority.issueRegistry(for: WorkloadKey().publicKey, now: now)
        expectRefusal(.wrongPeer, "") { try authorize(registry) }
    }

    @Test(
        "refuses certificates with more or fewer names than the one SPIFFE ID",
        arguments: [
            [],
            [
                .uniformResourceIdentifier("spiffe://gov.local/svc/a"),
                .uniformResourceIdentifier("spiffe://gov.local/svc/b"),
            ],
            [.uniformResourceIdentifier("spiffe://gov.local/svc/a"), .dnsName("registry.gov.local")],
            [.uniformResourceIdentifier("https://gov.local/svc/a")], [.dnsName("a.gov.local")],
        ] as [[GeneralName]]
    )
    func names(names: [GeneralName]) throws {
        let leaf = try selfSigned(names)
        expectRefusal(.wrongPeer, "") { try authorize(leaf) }
    }

    @Test("refuses what was revoked, by its serial or by its service and time")
    func revoked() throws {
        expectRefusal(.callerRevoked, "was revoked") { try authorize(denyList: DenyList(serials: [svid.serial])) }
        #expect(try authorize(denyList: DenyList(serials: [String(svid.serial.reversed())])) == caller)
        let service = try ServiceName("photo-validator")
        expectRefusal(.callerRevoked, "was revoked") {
            try authorize(denyList: DenyList(services: [service: now.advanced(by: .seconds(1))]))
        }
        // Issued after the word against the service: good again.
        #expect(try authorize(denyList: DenyList(services: [service: now])) == caller)
        let other = try ServiceName("payment-gateway")
        #expect(try authorize(denyList: DenyList(services: [other: now.advanced(by: .seconds(99))])) == caller)
    }

    @Test("refuses whom mesh.allow does not name")
    func allow() throws {
        let user = try SPIFFEID("spiffe://gov.local/user/ada")
        let person = try authority.issue(user, for: WorkloadKey().publicKey, now: now).leaf
        let services: Set = [try ServiceName("photo-validator")]
        #expect(try authorize(allow: .only(services: services, users: false)) == caller)
        expectRefusal(.callerNotAllowed, "spiffe://gov.local/user/ada is not among those") {
            try authorize(person, allow: .only(services: services, users: false))
        }
        #expect(try authorize(person, allow: .only(services: [], users: true)) == user)
        expectRefusal(.callerNotAllowed, "") { try authorize(allow: .only(services: [], users: true)) }
    }

    /// A leaf with names of our own choice: the authority itself makes none like it.
    private func selfSigned(_ names: [GeneralName]) throws -> Certificate {
        let key = WorkloadKey()
        return try Certificate(
            version: .v3,
            serialNumber: Certificate.SerialNumber(bytes: [1, 2, 3]),
            publicKey: key.publicKey,
            notValidBefore: now.date,
            notValidAfter: now.advanced(by: .seconds(60)).date,
            issuer: DistinguishedName { CommonName("x") },
            subject: DistinguishedName { CommonName("x") },
            signatureAlgorithm: .ecdsaWithSHA256,
            extensions: Certificate.Extensions {
                Critical(BasicConstraints.notCertificateAuthority)
                SubjectAlternativeNames(names)
            },
            issuerPrivateKey: key.certificateKey
        )
    }
}

import RegistryModel
import TestSupport
import Testing
import X509

@testable import Identity

@Suite("Who is believed to be a registry")
struct RegistryAuthorizationTests {
    private let now = Timestamp(rawValue: Sample.time.rawValue / 1_000_000_000 * 1_000_000_000)
    private let domain: TrustDomain
    private let authority: CertificateAuthority

    init() throws {
        domain = try TrustDomain("gov.local")
        authority = try CertificateAuthority(trustDomain: domain, now: now)
    }

    @Test("whoever bears the reserved name of the domain that is meant, in time")
    func registry() throws {
        let leaf = try authority.issueRegistry(
            additionalNames: ["reg.gov.local"],
            for: WorkloadKey().publicKey,
            now: now
        )
        #expect(try PeerAuthorization.authorizeRegistry(leaf, now: now, trustDomain: domain) == domain)
        #expect(try PeerAuthorization.authorizeRegistry(leaf, now: now) == domain)
        #expect(throws: PeerAuthorization.Refusal(code: .wrongPeer, message: "")) {
            try PeerAuthorization.authorizeRegistry(leaf, now: now, trustDomain: try TrustDomain("other.local"))
        }
        #expect(throws: PeerAuthorization.Refusal(code: .certificateExpired, message: "")) {
            try PeerAuthorization.authorizeRegistry(leaf, now: now.advanced(by: .seconds(2 * 86_400)))
        }
        #expect(throws: PeerAuthorization.Refusal(code: .clockSkew, message: "")) {
            try PeerAuthorization.authorizeRegistry(leaf, now: now.advanced(by: .seconds(-2 * 86_400)))
        }
    }

    @Test(
        "no workload and no person, whatever the name",
        arguments: ["spiffe://gov.local/svc/registry-1", "spiffe://gov.local/user/registry.gov.local"]
    )
    func workload(id: String) throws {
        let svid = try authority.issue(try SPIFFEID(id), for: WorkloadKey().publicKey, now: now)
        for domain in [nil, domain] {
            #expect(throws: PeerAuthorization.Refusal(code: .wrongPeer, message: "")) {
                try PeerAuthorization.authorizeRegistry(svid.leaf, now: now, trustDomain: domain)
            }
        }
    }

    @Test("no authority")
    func authorities() {
        for certificate in [authority.root, authority.issuer] {
            #expect(throws: PeerAuthorization.Refusal(code: .wrongPeer, message: "")) {
                try PeerAuthorization.authorizeRegistry(certificate, now: now)
            }
        }
    }

    @Test("only the root whose key has the hash is kept of a bundle, and only one that signed itself")
    func pinned() throws {
        let other = try CertificateAuthority(trustDomain: domain, now: now)
        let bundle = try TrustBundle(roots: [other.root, authority.root, authority.issuer])
        let hash = try authority.root.publicKeyHash()
        #expect(try bundle.pinned(toRootKeyHash: hash)?.roots == [authority.root])
        #expect(try bundle.pinned(toRootKeyHash: try authority.issuer.publicKeyHash()) == nil)
        #expect(try bundle.pinned(toRootKeyHash: Array(repeating: 0, count: 32)) == nil)
    }
}

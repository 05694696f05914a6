import RegistryModel
import Testing

@testable import Identity

@Suite("Names of identities")
struct NameTests {
    @Test(
        "SPIFFE IDs of services and users come back as they are",
        arguments: [
            "spiffe://gov.local/svc/photo-validator", "spiffe://gov.local/user/ada", "spiffe://a/user/ada.l_1-x",
        ]
    )
    func good(text: String) throws {
        #expect(try SPIFFEID(text).description == text)
    }

    @Test(
        "anything else is refused",
        arguments: [
            "", "spiffe://", "spiffe://gov.local", "spiffe://gov.local/", "spiffe://gov.local/svc/",
            "spiffe://gov.local/svc/a/b",
            "spiffe://gov.local/svc/a/", "spiffe://gov.local//svc/a", "spiffe://gov.local/svc/A",
            "spiffe://GOV.local/svc/a",
            "spiffe://gov.local/svc/%61", "spiffe://gov.local/svc/a?x=1", "spiffe://gov.local/svc/a#x",
            "spiffe://u@gov.local/svc/a",
            "spiffe://gov.local:1/svc/a", "SPIFFE://gov.local/svc/a", "https://gov.local/svc/a", "spiffe:///svc/a",
            "spiffe://gov.local/workload/a", "spiffe://gov.local/user/..", "spiffe://gov.local/svc/registry",
            "spiffe://gov.local/user/a\u{0}",
        ]
    )
    func bad(text: String) {
        #expect(throws: IdentityError(.malformedName, "")) { try SPIFFEID(text) }
    }

    @Test("a trust domain has 255 bytes at most")
    func length() throws {
        #expect(try TrustDomain(String(repeating: "a", count: 255)).registryName.hasPrefix("registry.aaa"))
        #expect(throws: IdentityError(.malformedName, "")) { try TrustDomain(String(repeating: "a", count: 256)) }
    }
}

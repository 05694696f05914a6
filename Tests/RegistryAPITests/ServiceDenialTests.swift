import Identity
import RegistryModel
import Testing

@testable import RegistryAPI

/// What happens to a service's certificates that are issued and denied within the same second.
@Suite("Denying a service")
struct ServiceDenialTests {
    private let service: ServiceName
    private let id: SPIFFEID
    private let noon: Timestamp

    init() throws {
        service = try ServiceName("b")
        id = SPIFFEID(trustDomain: try TrustDomain("gov.local"), subject: .service(service))
        noon = try #require(Timestamp(rfc3339: "2026-11-24T12:00:00Z"))
    }

    private func at(_ milliseconds: Int64) -> Timestamp {
        noon.advanced(by: .milliseconds(milliseconds))
    }

    private func denial(_ milliseconds: Int64, asked: Timestamp? = nil, last: Revocation? = nil) -> Revocation {
        ServiceDenial.revocation(of: service, asked: asked, now: at(milliseconds), last: last?.before)
    }

    /// As the certificate says it: in whole seconds.
    private func issued(_ milliseconds: Int64, after denial: Revocation? = nil) -> Timestamp {
        let beginning = ServiceDenial.beginning(now: at(milliseconds), denied: denial?.before)
        return Timestamp(rawValue: beginning.unixSeconds * 1_000_000_000)
    }

    private func isDenied(_ issuedAt: Timestamp, by revocation: Revocation) -> Bool {
        let record = CertificateRecord(
            serial: "1",
            spiffeID: id.description,
            keyHash: [],
            lineage: [],
            notAfter: issuedAt.advanced(by: CertificateAuthority.leafLife)
        )
        let byPeers = DenyList(services: [service: revocation.before]).denies(id, serial: "1", issuedAt: issuedAt)
        #expect(revocation.covers(record) == byPeers, "peers and the registry's records must agree")
        return byPeers
    }

    @Test("what was issued before it in the same second is denied, what is issued after it is not")
    func sameSecond() {
        let before = issued(100)
        let denial = denial(200)
        #expect(isDenied(before, by: denial))
        #expect(!isDenied(issued(300, after: denial), by: denial))
        #expect(!isDenied(issued(1_000, after: denial), by: denial))
        #expect(!isDenied(issued(60_000, after: denial), by: denial))
    }

    @Test("a second denial within the second denies what the first let through", arguments: [250, 999, 1_000, 1_400])
    func again(_ time: Int64) {
        let first = denial(200)
        let between = issued(210, after: first)
        let second = denial(time, last: first)
        #expect(isDenied(between, by: second))
        #expect(!isDenied(issued(time + 1, after: second), by: second))
    }

    @Test("one of the past takes nothing back, and none is of the future")
    func bounds() {
        let first = denial(200)
        #expect(denial(5_000, asked: at(-60_000), last: first).before == first.before)
        #expect(denial(5_000, asked: at(2_500), last: first).before == at(3_000))
        #expect(denial(5_100, asked: at(900_000)).before == at(6_000))
    }
}

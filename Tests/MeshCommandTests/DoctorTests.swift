import Identity
import Mesh
import RegistryClient
import RegistryModel
import Terminal
import TestSupport
import Testing

@testable import hms_mesh

@Suite("hms-mesh doctor")
struct DoctorTests {
    private func words(_ findings: [Finding]) -> [String] {
        findings.map { "\($0.check.rawValue) \($0.level.rawValue): \($0.text)" }
    }

    @Test("prints sections, what to do below what is wrong, and a sum; warnings alone pass unless strict")
    func rendering() {
        var report = DoctorReport(
            service: "photo-validator",
            findings: [
                RegistryChecks.clock(-272_000),
                Finding(.port, .service, .fine, "port 7000 answers in 0.3ms · health healthy"),
                Finding(.exposed, .service, .warning, "the app also listens on 0.0.0.0:7000: reachable without mTLS"),
            ]
        )
        #expect(
            report.rendered(Style(isColored: false), .unicode) == """
                registry
                  ✘ clock: this machine is 4m32s behind the registry (limit 30s)
                    → sudo timedatectl set-ntp true      (until then: "TLS handshake failed")
                service photo-validator
                  ✔ port 7000 answers in 0.3ms · health healthy
                  ⚠ the app also listens on 0.0.0.0:7000: reachable without mTLS
                1 wrong, 1 warning, 1 fine

                """
        )
        #expect(report.rendered(Style(isColored: false), .ascii).contains("  ok port 7000 answers in 0.3ms | health"))
        #expect(!report.isHealthy(strict: false))
        report.findings.removeFirst()
        #expect(report.isHealthy(strict: false))
        #expect(!report.isHealthy(strict: true))
    }

    @Test("JSON has a stable id, level and advice for each finding")
    func json() throws {
        let report = DoctorReport(service: nil, findings: [RegistryChecks.clock(31_000), RegistryChecks.clock(0.4)])
        let document = try JSONValue(parsing: Array(report.json().utf8))
        #expect(document["wrong"]?.number == 1 && document["fine"]?.number == 1)
        let findings = document["findings"]?.elements ?? []
        #expect(findings.map { $0["id"]?.text } == ["clock", "clock"])
        #expect(findings.map { $0["level"]?.text } == ["wrong", "fine"])
        #expect(findings.first?["advice"]?.text?.hasPrefix("sudo timedatectl") == true)
        #expect(findings.last?["advice"] == nil)
    }

    @Test("the page on doctor explains every id, and no other")
    func documentation() throws {
        let page = try runShell("cat '\(packageDirectory)/docs/doctor.md'").output
        let rows = page.split(separator: "\n").filter { $0.hasPrefix("| `") }
        let explained = rows.compactMap { $0.split(separator: "`").dropFirst().first.map(String.init) }
        #expect(explained.sorted() == CheckID.allCases.map(\.rawValue).sorted())
    }

    @Test(
        "a clock that is off is a warning, beyond 30 s a fault; the direction is said",
        arguments: [
            (1_999.0, Finding.Level.fine, "within 2s"), (2_000, .warning, "2s ahead of"),
            (-30_000, .warning, "30s behind"),
            (-30_001, .wrong, "30s behind"), (86_400_000, .wrong, "1d ahead of"),
        ]
    )
    func clock(offset: Double, level: Finding.Level, text: String) {
        let finding = RegistryChecks.clock(offset)
        #expect(finding.level == level)
        #expect(finding.text.contains(text))
    }

    @Test("a registry that is not believed, and one that the sidecar has lost")
    func registry() throws {
        let sidecar = try SidecarStatus(
            parsing: Array(#"{"registry_lost_since":"1970-01-01T00:00:00Z","sequence":48213}"#.utf8)
        )
        let findings = RegistryChecks.findings(
            .failed(RegistryClientError(.untrustedRegistry, "TLS handshake failed"), offsetMilliseconds: -400_000),
            sidecar: sidecar,
            now: Timestamp(rawValue: 190_000_000_000)
        )
        #expect(
            words(findings) == [
                "clock wrong: clock: this machine is 6m40s behind the registry (limit 30s)",
                "registry-reachable wrong: TLS handshake failed",
                "routing warning: the sidecar has no registry since 3m10s: routing goes on from the view of 48213",
            ]
        )
    }

    @Test("a certificate that is good, late, over, not valid yet, and of a stranger's root")
    func identity() throws {
        let now = Timestamp(rawValue: 1_800_000_000_000_000_000)
        let domain = try TrustDomain("gov.local")
        let authority = try CertificateAuthority(trustDomain: domain, now: now)
        let stranger = try CertificateAuthority(trustDomain: domain, now: now)
        let svid = try authority.issue(
            try SPIFFEID("spiffe://gov.local/svc/photo-validator"),
            for: WorkloadKey().publicKey,
            now: now
        )
        func check(_ bundle: TrustBundle, after hours: Int64, failure: String? = nil) -> [String] {
            words(
                IdentityChecks.findings(
                    IdentityFacts(svid: svid, bundle: bundle, renewalFailure: failure),
                    now: now.advanced(by: .seconds(hours * 3_600))
                )
            )
        }
        let (roots, strangers) = (try authority.bundle, try stranger.bundle)
        let name = "certificate spiffe://gov.local/svc/photo-validator"
        #expect(check(roots, after: 0) == ["certificate fine: \(name) · chain ok · expires in 1d"])
        #expect(
            check(roots, after: 20) == [
                "certificate warning: \(name) · chain ok, renewal overdue · expires in 4h"
            ]
        )
        #expect(check(roots, after: 25) == ["certificate wrong: \(name) ended 1h ago: calls fail closed"])
        #expect(
            check(roots, after: -2) == [
                "certificate wrong: \(name) is not valid yet: this machine's clock is behind"
            ]
        )
        #expect(check(strangers, after: 0).contains { $0.hasPrefix("certificate-chain wrong") })
        #expect(check(roots, after: 0, failure: "no route").last?.hasPrefix("renewal warning") == true)
        #expect(
            words(IdentityChecks.findings(nil, now: now)) == [
                "certificate wrong: the sidecar's certificate can't be read"
            ]
        )
    }

    @Test("what is wrong with a service is said once, with its neighbours")
    func service() {
        func facts(
            answers: Double? = 0.3,
            sidecar: (id: String, health: String)? = ("ws14-7000", "healthy"),
            _ registration: ServiceFacts.Registration
        ) -> [String] {
            words(
                ServiceChecks.findings(
                    ServiceFacts(
                        name: "photo-validator",
                        port: 7_000,
                        answersInMilliseconds: answers,
                        owners: [],
                        mayBeExposed: false,
                        sidecar: sidecar,
                        registration: registration
                    )
                )
            )
        }
        #expect(
            facts(.known(ids: ["ws14-7000"])) == [
                "port fine: port 7000 answers in 0.3ms · health healthy · registered as ws14-7000"
            ]
        )
        #expect(
            facts(.known(ids: ["ws15-7000"])) == [
                "port fine: port 7000 answers in 0.3ms · health healthy",
                "registration wrong: photo-validator/ws14-7000 is not in the registry: nobody can call it",
            ]
        )
        #expect(
            facts(answers: nil, sidecar: nil, .unknown(nearest: ["photo-validater"])) == [
                "port wrong: nobody listens on port 7000 of 127.0.0.1",
                "sidecar wrong: no sidecar of photo-validator runs here as this user",
                "registration wrong: no service photo-validator is registered (there are photo-validater)",
            ]
        )
        #expect(facts(sidecar: ("ws14-7000", "unhealthy"), .unasked).first?.hasPrefix("port warning") == true)
    }

    @Test("breakers, ejected instances and names that nobody registered are faults of upstreams")
    func upstreams() throws {
        let details = try SidecarStatus(
            parsing: Array(
                """
                {"registry":"unix:/x","version":"1.0.0","pid":7,"application_port":7000,"upstreams":[
                {"service":"identity-check","known":true,"usable":2,"total":3,"instances":[
                {"id":"a","ejected_ms":22000,"last":"503"},{"id":"b"}]},
                {"service":"ledger","known":false,"usable":0,"total":0,"instances":[]},
                {"service":"payment-gateway","known":true,"usable":0,"total":2,"breaker_open_ms":800,"instances":[]},
                {"service":"printer","known":true,"usable":0,"total":1,"instances":[]}]}
                """.utf8
            )
        )
        #expect(details.pid == 7 && details.applicationPort == 7_000 && details.version == "1.0.0")
        #expect(
            words(UpstreamChecks.findings(details.upstreams)) == [
                "upstream fine: identity-check: 2 of 3 routable",
                "ejected wrong: identity-check/a: left out for 22s more (the last try: 503)",
                "upstream wrong: ledger: no such service is registered",
                "breaker wrong: payment-gateway: circuit breaker open for 800ms: one call a second tries it",
                "upstream wrong: printer: 0 of 1 routable",
            ]
        )
    }

    @Test("a name that nobody registered is told with the one that may have been meant")
    func nearest() throws {
        let status = try SidecarStatus(
            parsing: Array(
                #"{"upstreams":[{"service":"legder","known":false,"usable":0,"total":0,"instances":[]}]}"#.utf8
            )
        )
        let known = UpstreamChecks.findings(status.upstreams, nearest: ["legder": "ledger"])
        #expect(known.map(\.advice) == ["did you mean ledger? all names: hms-reg list"])
        #expect(UpstreamChecks.findings(status.upstreams).map(\.advice) == ["all names: hms-reg list"])
    }

    @Test("the machine is one line while it is fine, and a line for each thing that is not")
    func machine() {
        var facts = MachineFacts(diskUsedFraction: 0.614, residentBytes: 14_000_000, ownVersion: "1.0.0")
        facts.descriptors = (212, 65_536)
        #expect(
            words(MachineChecks.findings(facts)) == [
                "machine fine: disk 61% · memory 14 MB · 212 of 65,536 descriptors · hms-mesh 1.0.0"
            ]
        )
        facts = MachineFacts(diskUsedFraction: 0.99, residentBytes: 900_000_000, ownVersion: "1.0.0")
        facts.descriptors = (60_000, 65_536)
        facts.sidecarVersion = "0.9.0"
        facts.registryVersion = "1.1.0"
        #expect(
            MachineChecks.findings(facts).map { "\($0.check.rawValue) \($0.level.rawValue)" } == [
                "disk wrong", "memory warning", "descriptors wrong", "machine fine", "version warning",
                "version warning",
            ]
        )
    }

    @Test("what hangs is given up, what fails is thrown, what is quick is taken")
    func bounds() async throws {
        #expect(try await bounded(.seconds(10)) { 7 } == 7)
        let hung = try await bounded(.milliseconds(20)) {
            try await Task.sleep(for: .seconds(3_600))  // what hangs; it is given up after 20 ms
            return 7
        }
        #expect(hung == nil)
        await #expect(throws: CancellationError.self) {
            try await bounded(.seconds(10)) { () throws -> Int in throw CancellationError() }
        }
    }
}

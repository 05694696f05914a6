import Crypto
import RegistryModel
import TestSupport
import Testing
import X509

@testable import Identity

/// 2026-11-24T14:05:12Z, to the second as certificates have it.
let now = Timestamp(rawValue: 1_795_529_112_000_000_000)

@Suite("The certificate authority")
struct CertificateAuthorityTests {
    private let domain: TrustDomain
    private let authority: CertificateAuthority
    private let photoValidator: SPIFFEID

    init() throws {
        domain = try TrustDomain("gov.local")
        authority = try CertificateAuthority(trustDomain: domain, now: now)
        photoValidator = try SPIFFEID("spiffe://gov.local/svc/photo-validator")
    }

    @Test("a workload's certificate is what the mesh's rules say, and openssl verifies its chain")
    func leaf() throws {
        let svid = try authority.issue(photoValidator, for: WorkloadKey().publicKey, now: now)
        #expect(try X509SVID(pem: svid.pem) == svid)
        #expect(svid.notAfter == now.advanced(by: .seconds(86_400)))
        #expect(svid.renewAfter.since(now) == .seconds(86_400 / 3))
        // However short it is: one for an hour is not due for renewal when it is made.
        let brief = try authority.issue(photoValidator, for: WorkloadKey().publicKey, now: now, life: .seconds(3_600))
        #expect(brief.renewAfter.since(now) == .seconds(3_600 / 3))
        #expect(svid.serial.count == 32)
        try withTemporaryDirectory { directory in
            try writeFile(directory + "/root.pem", Array(try authority.bundle.pem.utf8))
            try writeFile(directory + "/chain.pem", Array(try svid.pem.utf8))
            try writeFile(directory + "/issuer.pem", Array(try svid.issuer.pem().utf8))
            let verified = try runShell(
                "cd \(directory) && openssl verify -x509_strict -attime 1795529112 -CAfile root.pem -untrusted issuer.pem chain.pem"
            )
            #expect(verified.output.contains("chain.pem: OK"), "\(verified.output)")
            let text = try runShell("openssl x509 -in \(directory)/chain.pem -noout -text -nameopt RFC2253").output
            for expected in [
                "Subject: CN=photo-validator", "URI:spiffe://gov.local/svc/photo-validator", "prime256v1",
                "ecdsa-with-SHA256", "CA:FALSE", "Digital Signature",
                "TLS Web Server Authentication, TLS Web Client Authentication", "X509v3 Basic Constraints: critical",
                "X509v3 Key Usage: critical", "Not Before: Nov 24 13:05:12 2026 GMT",
                "Not After : Nov 25 14:05:12 2026 GMT",
            ] {
                #expect(text.contains(expected), "\(expected) in \(text)")
            }
            #expect(!text.contains("DNS:"))
            let fingerprint = try runShell("openssl x509 -in \(directory)/chain.pem -noout -fingerprint -sha256").output
            let hex = fingerprint.split(separator: "=").last?.lowercased().filter { $0.isHexDigit } ?? ""
            #expect(try svid.fingerprint == "sha256:\(hex)")
        }
    }

    @Test("a request that asks to be an authority is refused, and so is one for another name than it gets")
    func requestAsksForMore() throws {
        try withTemporaryDirectory { directory in
            let authorityAsked = try request(in: directory, "-addext basicConstraints=critical,CA:TRUE")
            #expect(throws: IdentityError(.badRequest, "")) { try SVIDRequest(pem: authorityAsked) }
            for name in ["DNS:registry.gov.local", "URI:spiffe://gov.local/svc/payment-gateway", "IP:10.0.0.1"] {
                let asked = try SVIDRequest(pem: try request(in: directory, "-addext subjectAltName=\(name)"))
                #expect(throws: IdentityError(.badRequest, "")) { try asked.check(askedNamesAgainst: photoValidator) }
            }
            let own = try SVIDRequest(pem: try request(in: directory, "-addext subjectAltName=URI:\(photoValidator)"))
            try own.check(askedNamesAgainst: photoValidator)
        }
    }

    private func request(in directory: String, _ options: String) throws -> String {
        let made = try runShell(
            """
            cd \(directory) && openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout key.pem \
            -subj /CN=registry.gov.local \(options) -out request.pem
            """
        )
        #expect(made.status == 0, "\(made.output)")
        return String(decoding: try readFile(directory + "/request.pem"), as: UTF8.self)
    }

    @Test("the authority takes only the key of a request, whatever else it asks for")
    func onlyTheKey() throws {
        try withTemporaryDirectory { directory in
            let request = try SVIDRequest(pem: try request(in: directory, "-addext keyUsage=keyCertSign"))
            let svid = try authority.issue(photoValidator, for: request.publicKey, now: now)
            #expect(try SPIFFEID(certificate: svid.leaf) == photoValidator)
            #expect(!svid.leaf.isAuthority)
            #expect(svid.leaf.subject.description == "CN=photo-validator")
        }
    }

    @Test(
        "a request is refused whose key is not P-256 or whose signature is not its key's",
        arguments: [
            "-newkey rsa:2048", "-newkey ec -pkeyopt ec_paramgen_curve:secp384r1", "-newkey ed25519",
        ]
    )
    func otherKeys(options: String) throws {
        try withTemporaryDirectory { directory in
            let made = try runShell(
                "cd \(directory) && openssl req -new \(options) -nodes -keyout key.pem -subj /CN=x -out request.pem"
            )
            #expect(made.status == 0, "\(made.output)")
            let pem = String(decoding: try readFile(directory + "/request.pem"), as: UTF8.self)
            #expect(throws: IdentityError(.badRequest, "")) { try SVIDRequest(pem: pem) }
        }
    }

    @Test("our own requests are taken; flipped bytes and truncations are refused, never a crash")
    func hostileRequests() throws {
        let key = WorkloadKey()
        let pem = try SVIDRequest.pem(signedBy: key)
        #expect(try SVIDRequest(pem: pem).publicKey == key.publicKey)
        let lines = pem.split(separator: "\n")
        var random = SeededGenerator(seed: 3)
        for _ in 0..<300 {
            var bytes = Array(pem.utf8)
            let first = lines[0].utf8.count + 1
            let index = Int.random(in: first..<(bytes.count - lines[lines.count - 1].utf8.count - 2), using: &random)
            let replacement =
                Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdef0123456789+/".utf8).randomElement(using: &random) ?? 65
            guard bytes[index] != replacement, bytes[index] != UInt8(ascii: "\n"), bytes[index] != UInt8(ascii: "=")
            else {
                continue
            }
            bytes[index] = replacement
            let changed = String(decoding: bytes, as: UTF8.self)
            // The last digit before the padding has bits that mean nothing.
            if let taken = try? SVIDRequest(pem: changed) { #expect(taken.publicKey == key.publicKey) }
        }
        for length in stride(from: 0, to: pem.count - 2, by: 7) {
            #expect(throws: IdentityError(.badRequest, "")) { try SVIDRequest(pem: String(pem.prefix(length))) }
        }
    }

    @Test("only the registry's certificate has DNS names, and it serves only")
    func registryCertificate() throws {
        let certificate = try authority.issueRegistry(
            additionalNames: ["reg.gov.local"],
            for: WorkloadKey().publicKey,
            now: now
        )
        let names = try #require(try certificate.extensions.subjectAlternativeNames)
        #expect(Array(names) == [.dnsName("registry.gov.local"), .dnsName("reg.gov.local")])
        #expect(throws: IdentityError(.malformedCertificate, "")) { try SPIFFEID(certificate: certificate) }
        let usage = try #require(try certificate.extensions.extendedKeyUsage)
        #expect(Array(usage) == [.serverAuth])
    }

    @Test("the issuer is renewed in time by itself, under the same root; without it nobody gets a certificate")
    func issuerRenewal() throws {
        var authority = authority
        let before = authority.issuer
        #expect(try !authority.renewIssuerIfDue(now: now.advanced(by: .seconds(59 * 86_400))))
        let late = now.advanced(by: .seconds(61 * 86_400))
        #expect(try authority.renewIssuerIfDue(now: late))
        #expect(authority.issuer != before)
        #expect(authority.root.publicKey.isValidSignature(authority.issuer.signature, for: authority.issuer))
        let svid = try authority.issue(photoValidator, for: WorkloadKey().publicKey, now: late)
        #expect(authority.issuer.publicKey.isValidSignature(svid.leaf.signature, for: svid.leaf))
        let over = now.advanced(by: .seconds(91 * 86_400))
        #expect(throws: IdentityError(.authorityExpired, "")) {
            try self.authority.issue(photoValidator, for: WorkloadKey().publicKey, now: over)
        }
    }

    @Test("no certificate outlives its issuer")
    func nearTheEnd() throws {
        let late = now.advanced(by: .seconds(90 * 86_400 - 600))
        let svid = try authority.issue(photoValidator, for: WorkloadKey().publicKey, now: late)
        #expect(svid.notAfter == now.advanced(by: CertificateAuthority.issuerLife))
    }

    @Test("keys are kept 0600 in a directory 0700, and are the same when opened again")
    func storage() throws {
        try withTemporaryDirectory { directory in
            let keys = directory + "/keys"
            let made = try CertificateAuthority.open(in: keys, trustDomain: domain, now: now)
            let modes = try runShell("stat -c '%a %n' \(keys) \(keys)/* | sed 's|/.*/||'").output
            #expect(modes == "700 keys\n600 authority.json\n")
            let again = try CertificateAuthority.open(in: keys, trustDomain: domain, now: now)
            #expect(again.root == made.root)
            let svid = try again.issue(photoValidator, for: WorkloadKey().publicKey, now: now)
            #expect(made.issuer.publicKey.isValidSignature(svid.leaf.signature, for: svid.leaf))
            #expect(throws: IdentityError(.storage, "")) {
                try CertificateAuthority.open(in: keys, trustDomain: try TrustDomain("other.local"), now: now)
            }
            let text = try #require(try PrivateFile.read(keys + "/authority.json"))
            for length in stride(from: 0, to: text.utf8.count - 2, by: 97) {
                try writeFile(keys + "/authority.json", Array(text.utf8.prefix(length)))
                #expect(throws: IdentityError(.storage, "")) {
                    try CertificateAuthority.open(in: keys, trustDomain: domain, now: now)
                }
            }
        }
    }

    @Test("what earlier releases kept in four files is taken over, though a kill left an issuer that is not of its key")
    func takenOver() throws {
        let old = try CertificateAuthority(trustDomain: domain, now: now)
        let files = try [
            "root.crt": old.root.pem(), "root.key": #require(old.active.rootKey).pem(), "issuer.crt": old.issuer.pem(),
            "issuer.key": old.active.issuerKey.pem(),
        ]
        try withTemporaryDirectory { directory in
            for (name, text) in files { try writeFile("\(directory)/\(name)", Array(text.utf8)) }
            let taken = try CertificateAuthority.open(in: directory, trustDomain: domain, now: now)
            #expect(taken.root == old.root && taken.issuer == old.issuer)
            #expect(try directoryEntries(directory) == ["authority.json"], "a retired root must not come back by them")
            #expect(try CertificateAuthority.open(in: directory, trustDomain: domain, now: now).issuer == old.issuer)
        }
        try withTemporaryDirectory { directory in
            for (name, text) in files { try writeFile("\(directory)/\(name)", Array(text.utf8)) }
            try writeFile(directory + "/issuer.key", Array(try authority.active.issuerKey.pem().utf8))
            let taken = try CertificateAuthority.open(in: directory, trustDomain: domain, now: now)
            #expect(taken.root == old.root)
            let svid = try taken.issue(photoValidator, for: WorkloadKey().publicKey, now: now)
            #expect(svid.isSigned(by: try old.bundle))
        }
        try withTemporaryDirectory { directory in
            for (name, text) in files where name != "root.key" {
                try writeFile("\(directory)/\(name)", Array(text.utf8))
            }
            #expect(throws: IdentityError(.storage, "")) {
                try CertificateAuthority.open(in: directory, trustDomain: domain, now: now)
            }
        }
    }

    @Test(
        "a rotation: both believed and the old one signs, then the new one signs, then the old one is gone; kept at each step"
    )
    func rotation() throws {
        try withTemporaryDirectory { directory in
            let schedule = RotationSchedule()
            var changing = try CertificateAuthority.open(in: directory, trustDomain: domain, now: now)
            func reopened(_ now: Timestamp) throws -> CertificateAuthority {
                try changing.store(in: directory)
                return try CertificateAuthority.open(in: directory, trustDomain: domain, now: now)
            }
            let oldBundle = try changing.bundle
            try changing.beginRotation(now: now)
            #expect(throws: IdentityError(.rotationUnderWay, "")) { try changing.beginRotation(now: now) }
            #expect(throws: IdentityError(.noRotation, "")) {
                try changing.finishRotation(now: now, schedule: schedule)
            }
            changing = try reopened(now)
            #expect(try changing.bundle.roots.count == 2)
            let early = try changing.issue(photoValidator, for: WorkloadKey().publicKey, now: now)
            #expect(early.isSigned(by: oldBundle))
            #expect(try !changing.advanceRotation(now: now.advanced(by: .seconds(86_399)), schedule: schedule))

            let day = now.advanced(by: .seconds(86_400))
            #expect(try changing.advanceRotation(now: day, schedule: schedule))
            changing = try reopened(day)
            let late = try changing.issue(photoValidator, for: WorkloadKey().publicKey, now: day)
            #expect(!late.isSigned(by: oldBundle))
            let both = try changing.bundle
            #expect(late.isSigned(by: both) && early.isSigned(by: both))
            // Who knows the old root alone can follow to the new one.
            let cross = try #require(changing.chain.last)
            #expect(oldBundle.roots[0].publicKey.isValidSignature(cross.signature, for: cross))
            #expect(cross.publicKey == changing.root.publicKey)

            let end = day.advanced(by: schedule.retiring)
            #expect(try !changing.advanceRotation(now: end.advanced(by: .seconds(-1)), schedule: schedule))
            #expect(try changing.advanceRotation(now: end, schedule: schedule))
            changing = try reopened(end)
            #expect(try changing.bundle.roots == [changing.root])
            #expect(!early.isSigned(by: try changing.bundle))
            #expect(try !changing.advanceRotation(now: end, schedule: schedule))

            // Who was away for all of it can follow for as long as its key is good for rejoining.
            #expect(changing.chain == [changing.issuer, cross])
            #expect(changing.formerRoots.map(\.root) == oldBundle.roots)
            let week = end.advanced(by: schedule.remembering)
            let tooEarly = changing.forgetFormerRoots(now: week.advanced(by: .seconds(-1)))
            let inTime = changing.forgetFormerRoots(now: week)
            #expect(!tooEarly && inTime)
            changing = try reopened(week)
            #expect(changing.chain == [changing.issuer])

            // Each step waits to be on record, over every restart, until it is.
            #expect(changing.unrecorded.map(\.kind) == [.rotationBegun, .rootHandedOver, .rotationEnded])
            #expect(changing.unrecorded.map(\.at) == [now, day, end])
            let old = try oldBundle.roots[0].publicKeyHash()
            let new = try changing.root.publicKeyHash()
            #expect(changing.unrecorded.map(\.rootKeyHash) == [old, new, new])
            #expect(changing.unrecorded.map(\.otherRootKeyHash) == [new, old, old])
            let waiting = changing.unrecorded
            changing.noteRecorded(waiting[0])
            changing = try reopened(week)
            #expect(changing.unrecorded == Array(waiting.dropFirst()))
        }
    }

    @Test("roots that follow each other quickly lead over one after the other, and the chain stays short")
    func manyRotations() throws {
        var changing = authority
        var schedule = RotationSchedule()
        schedule.overlap = .seconds(1)
        schedule.retiring = .seconds(1)
        var roots = [changing.root]
        for step in 1...6 {
            let at = now.advanced(by: .seconds(step * 10))
            try changing.beginRotation(now: at)
            #expect(try changing.advanceRotation(now: at.advanced(by: .seconds(1)), schedule: schedule))
            if step.isMultiple(of: 2) {
                try changing.finishRotation(now: at, schedule: schedule)
            } else {
                #expect(try changing.advanceRotation(now: at.advanced(by: .seconds(2)), schedule: schedule))
            }
            roots.insert(changing.root, at: 0)
        }
        let ways = changing.chain.dropFirst()
        #expect(ways.count == 4)
        for (way, (newer, older)) in zip(ways, zip(roots, roots.dropFirst())) {
            #expect(way.publicKey == newer.publicKey)
            #expect(older.publicKey.isValidSignature(way.signature, for: way))
        }
    }

    @Test("a bundle is pinned by its root's key")
    func bundle() throws {
        let bundle = try TrustBundle(pem: try authority.bundle.pem)
        #expect(bundle == (try authority.bundle))
        #expect(try bundle.contains(rootKeyHash: try authority.root.publicKeyHash()))
        #expect(try !bundle.contains(rootKeyHash: try authority.issuer.publicKeyHash()))
        let leaf = try authority.issue(photoValidator, for: WorkloadKey().publicKey, now: now).leaf
        #expect(throws: IdentityError(.malformedCertificate, "")) { try TrustBundle(roots: [leaf]) }
        #expect(throws: IdentityError(.malformedCertificate, "")) { try TrustBundle(pem: "nonsense") }
    }
}

import Identity
import MaterializedView
import Registry
import RegistryModel
import Synchronization
import X509

/// The registry as its trust domain's certificate authority: signs, and puts on record what it signed.
final class RegistryAuthority: Sendable {
    private let registry: ServiceRegistry
    private let authority: Mutex<CertificateAuthority>
    private let directory: String
    private let schedule: RotationSchedule
    /// `host:port` by which the TLS door is reached; nil while there is none.
    private let door = Mutex<String?>(nil)
    private let observers = Mutex<[@Sendable () -> Void]>([])
    /// Changes that somebody is putting on record just now.
    private let inHand = Mutex<Set<AuthorityChange>>([])

    /// Opens `DATA/keys`, or makes a new authority there.
    ///
    /// - Throws: `data-directory` where the keys can't be read, or are another trust domain's.
    init(
        _ registry: ServiceRegistry,
        trustDomain: TrustDomain,
        schedule: RotationSchedule = RotationSchedule()
    ) throws(RegistryError) {
        self.registry = registry
        self.schedule = schedule
        directory = registry.dataDirectory.keys
        do {
            let now = registry.now().time
            authority = Mutex(try CertificateAuthority.open(in: directory, trustDomain: trustDomain, now: now))
        } catch {
            throw RegistryError(.dataDirectory, "the registry's keys can't be used: \(error.message)")
        }
    }

    /// Has `body` called whenever other certificates are to be believed, or shown, than before.
    func observe(_ body: @escaping @Sendable () -> Void) {
        observers.withLock { $0.append(body) }
    }

    /// Something was revoked and is on record: whoever observes acts before the answer goes out.
    func noteRevocation() {
        tellObservers()
    }

    private func tellObservers() {
        for body in observers.withLock({ $0 }) { body() }
    }

    /// The TLS door is open.
    func noteDoor(_ address: String) {
        door.withLock { $0 = address }
    }

    /// A new join token, for whoever is to come by the TLS door; nil where there is none.
    func newToken() throws(IdentityError) -> JoinToken? {
        guard let address = door.withLock({ $0 }) else { return nil }
        return JoinToken.random(address: address, rootKeyHash: try authority.withLock { $0 }.root.publicKeyHash())
    }

    var bundle: TrustBundle {
        get throws(IdentityError) { try authority.withLock { $0 }.bundle }
    }

    /// What the registry's door sends behind its leaf.
    var chain: [Certificate] { authority.withLock { $0.chain } }

    /// What a watch is told: `{"trustDomain","pem"}`.
    var bundleDocument: [UInt8] {
        get throws(IdentityError) {
            let authority = authority.withLock { $0 }
            var json = JSONWriter(reservingCapacity: 2_048)
            json.beginObject()
            json.member("trustDomain", authority.trustDomain.description)
            json.member("pem", try authority.bundle.pem)
            json.endObject()
            return json.bytes
        }
    }

    /// The root that signs.
    var root: CertificateSummary {
        get throws(IdentityError) { try CertificateSummary(authority.withLock { $0 }.root) }
    }

    /// What people want to know of it; no key.
    var report: AuthorityDocument {
        get throws(IdentityError) { try AuthorityDocument(authority.withLock { $0 }, schedule) }
    }

    /// Signs somebody's key, and answers once that is on record: no certificate is ever out without.
    ///
    /// - Parameters:
    ///   - life: nil: as long as certificates are good for.
    ///   - predecessor: the certificate that it renews or follows, whose lineage goes on.
    func issue(
        _ subject: SPIFFEID.Subject,
        role: PersonRole? = nil,
        life: Duration? = nil,
        for request: SVIDRequest,
        on grounds: CertificateGrounds,
        following predecessor: CertificateRecord? = nil,
        _ submit: (Command) async throws -> CommandOutcome
    ) async throws -> (svid: X509SVID, outcome: CommandOutcome) {
        let svid = try sign(subject, request, life, try beginning(of: subject))
        var record = CertificateRecord(
            serial: svid.serial,
            spiffeID: svid.id.description,
            keyHash: request.keyHash,
            lineage: predecessor?.lineage ?? request.keyHash,
            notAfter: svid.notAfter
        )
        record.role = role
        record.previous = predecessor?.serial ?? ""
        return (svid, try await submit(.issueCertificate(record, grounds)))
    }

    /// A certificate and a new key for the registry's own door, with what they are to be checked by.
    ///
    /// It is on no record: the key never leaves this process, and nobody else could have asked for it.
    func identity(names: [String]) throws(IdentityError) -> ServerIdentity {
        let key = WorkloadKey()
        let now = registry.now().time
        let authority = authority.withLock { $0 }
        let leaf = try authority.issueRegistry(additionalNames: names, for: key.publicKey, now: now)
        return ServerIdentity(chain: [leaf] + authority.chain, key: key, bundle: try authority.bundle, madeAt: now)
    }

    var trustDomain: TrustDomain {
        authority.withLock { $0.trustDomain }
    }

    private func beginning(of subject: SPIFFEID.Subject) throws -> Timestamp {
        let now = registry.now().time
        guard case .service(let name) = subject else { return now }
        let denial = try registry.view.read { try $0.revocation(.service(name)) }
        return ServiceDenial.beginning(now: now, denied: denial?.before)
    }

    private func sign(
        _ subject: SPIFFEID.Subject,
        _ request: SVIDRequest,
        _ life: Duration?,
        _ now: Timestamp
    ) throws(IdentityError) -> X509SVID {
        let authority = authority.withLock { $0 }
        let id = SPIFFEID(trustDomain: authority.trustDomain, subject: subject)
        try request.check(askedNamesAgainst: id)
        return try authority.issue(
            id,
            for: request.publicKey,
            now: now,
            life: life ?? CertificateAuthority.leafLife
        )
    }

    // MARK: Changing hands

    /// Makes a new issuer where one is due, and goes on with a rotation where its next phase has come.
    ///
    /// What it changes is put on record by ``recordChanges()``.
    ///
    /// - Returns: in words what it did.
    func tend() throws(IdentityError) -> [String] {
        let now = registry.now().time
        return try change(takesInHand: false) { [schedule] (authority) throws(IdentityError) in
            var done: [String] = []
            if try authority.renewIssuerIfDue(now: now) { done.append("the issuer's certificate was renewed") }
            if authority.forgetFormerRoots(now: now) { done.append("a former root is no longer led over from") }
            if try authority.advanceRotation(now: now, schedule: schedule) {
                done.append(
                    authority.rotation == nil
                        ? "the old root is believed no more: the rotation is over"
                        : "the new root signs; the old one is believed until its last certificate has ended"
                )
            }
            return done
        }.done
    }

    /// Puts on record what changed and is not yet: by the registry itself, or before a crash.
    ///
    /// - Throws: what the log refuses; the next time may do.
    func recordChanges() async throws {
        let waiting = authority.withLock { authority in
            inHand.withLock { inHand in
                let waiting = authority.unrecorded.filter { !inHand.contains($0) }
                inHand.formUnion(waiting)
                return waiting
            }
        }
        try await record(waiting) { try await self.registry.submit($0, actor: nil) }
    }

    /// Each of them is in hand, and on record or in nobody's hand afterwards.
    private func record(_ changes: [AuthorityChange], _ submit: (Command) async throws -> CommandOutcome) async throws {
        defer { inHand.withLock { $0.subtract(changes) } }
        for change in changes {
            _ = try await submit(.record(.authorityChanged(change)))
            try authority.withLock { authority in
                var changed = authority
                changed.noteRecorded(change)
                try changed.store(in: directory)
                authority = changed
            }
        }
    }

    /// Begins to hand over to a new root, or to the one that is given, and returns once that is on record.
    ///
    /// - Throws: `rotation-under-way`, `unfit-authority`, `storage`; what the log refuses, and then it is put on record later.
    func rotate(
        to installed: String? = nil,
        _ submit: (Command) async throws -> CommandOutcome
    ) async throws {
        let now = registry.now().time
        let changes = try change { (authority) throws(IdentityError) in
            if let installed {
                try authority.install(pem: installed, now: now)
            } else {
                try authority.beginRotation(now: now)
            }
            return ["changed"]
        }
        try await record(changes.new, submit)
    }

    /// Ends the last phase before its time, and returns once that is on record.
    ///
    /// - Throws: `no-rotation`; `old-root-in-use` where certificates under the old root are still in use.
    func finishRotation(_ submit: (Command) async throws -> CommandOutcome) async throws {
        let now = registry.now().time
        if let rotation = authority.withLock({ $0.rotation }), rotation.phase == .retiring {
            let (records, revocations) = try registry.view.read { (snapshot) throws in
                (try snapshot.certificates(), try snapshot.revocations())
            }
            let users = records.filter { record in
                let issuedAt = record.notAfter.advanced(by: .zero - CertificateAuthority.leafLife)
                return !record.isSpent && record.notAfter > now && issuedAt < rotation.since
                    && !revocations.contains { $0.covers(record) }
            }
            guard users.isEmpty else { throw ProblemDetails.oldRootInUse(users) }
        }
        let changes = try change { [schedule] (authority) throws(IdentityError) in
            try authority.finishRotation(now: now, schedule: schedule)
            return ["changed"]
        }
        try await record(changes.new, submit)
    }

    /// Changes a copy, and uses it only once it is on the disk; then tells the door, and everybody where other roots are
    /// believed, or in another order, than before.
    ///
    /// - Parameters:
    ///   - takesInHand: the caller puts on record what is new.
    ///   - body: says what it changed; nothing: nothing.
    /// - Returns: what it said, and what is new to be on record.
    private func change(
        takesInHand: Bool = true,
        _ body: (inout CertificateAuthority) throws(IdentityError) -> [String]
    ) throws(IdentityError) -> (done: [String], new: [AuthorityChange]) {
        let (done, new, isBundleNew) = try authority.withLock {
            (authority) throws(IdentityError) -> ([String], [AuthorityChange], Bool) in
            var changed = authority
            let done = try body(&changed)
            if done.isEmpty { return ([], [], false) }
            try changed.store(in: directory)
            let isBundleNew = try changed.bundle != authority.bundle
            let new = changed.unrecorded.filter { !authority.unrecorded.contains($0) }
            if takesInHand { inHand.withLock { $0.formUnion(new) } }
            authority = changed
            return (done, new, isBundleNew)
        }
        if !done.isEmpty { tellObservers() }
        if isBundleNew { registry.noteTrustChanged() }
        return (done, new)
    }
}

/// What the registry's own door shows, and whom it believes.
struct ServerIdentity: Sendable {
    /// The leaf, then its issuer.
    var chain: [Certificate]
    var key: WorkloadKey
    var bundle: TrustBundle
    var madeAt: Timestamp
}

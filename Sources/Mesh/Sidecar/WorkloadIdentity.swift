import Identity
import RegistryClient
import RegistryModel

/// The key and certificate of this sidecar, kept across restarts: made once, signed by the registry, renewed from a third of
/// its life on.
actor WorkloadIdentity {
    /// How long after a failed renewal it is tried again.
    private static let retry = Duration.seconds(30)
    /// Within how long the sidecars of a fleet leave a former root, each at a moment of its own.
    private static let leaving = Duration.seconds(30)

    private let subject: SPIFFEID.Subject
    private let life: Duration?
    private let registry: RegistryAccess
    private let joinToken: JoinToken?
    private let folder: IdentityFolder
    private(set) var key: WorkloadKey
    private(set) var svid: X509SVID?
    private(set) var bundle: TrustBundle?
    /// Why the last renewal did not come about.
    private(set) var lastFailure: String?
    private var triesAgainAt: Timestamp?
    /// When the certificate of a former root is exchanged; nil: not known to be of one.
    private var leavesRootAt: Timestamp?

    /// - Parameters:
    ///   - life: of the certificates that a registry's socket gives; nil: the registry's own.
    ///   - registry: gets what connections to it need, now and with each renewal.
    ///   - joinToken: for the first certificate by a TLS door, and where the one there is isn't taken any more.
    ///   - directory: of this service's identity; made with mode 0700.
    /// - Throws: `storage`; a key file that holds no key.
    init(
        subject: SPIFFEID.Subject,
        life: Duration? = nil,
        registry: RegistryAccess,
        joinToken: JoinToken?,
        directory: String
    ) throws {
        self.subject = subject
        self.life = life
        self.registry = registry
        self.joinToken = joinToken
        try PrivateFile.makeDirectory(directory)
        folder = IdentityFolder(directory)
        if let kept = try folder.key() {
            key = kept
        } else {
            key = WorkloadKey()
            try folder.keep(key)
        }
        // What is kept may be of another registry, or over: then it is asked for anew.
        guard let kept = folder.bundle else { return }
        bundle = kept
        svid = folder.svid
        registry.use(Self.credentials(key, svid, kept))
    }

    private static func credentials(_ key: WorkloadKey, _ svid: X509SVID?, _ bundle: TrustBundle) -> RegistryCredentials
    {
        RegistryCredentials(
            bundle: bundle,
            trustDomain: svid?.id.trustDomain,
            identity: svid.map { RegistryCredentials.Identity(svid: $0, key: key) }
        )
    }

    /// The certificate that is kept while it is good for a while; else a new one, else the old one while it is valid.
    ///
    /// - Throws: what ``renew()`` does, where there is none at all.
    func obtain(now: Timestamp) async throws -> X509SVID {
        if let svid, bundle != nil, svid.renewAfter > now, await !isRefused() { return svid }
        do {
            return try await renew()
        } catch {
            // The registry may be away: what is still valid carries on, and renewal is tried again.
            if let svid, bundle != nil, svid.notAfter > now { return svid }
            throw error
        }
    }

    /// Whether the registry takes what is kept no more; asked where a token could get something else.
    private func isRefused() async -> Bool {
        guard registry.address.isTLS, joinToken != nil else { return false }
        do {
            _ = try await registry.withConnection { try await $0.whoAmI() }
            return false
        } catch {
            return (error as? RegistryClientError)?.isRefusal == true
        }
    }

    // MARK: Renewal

    /// Has the key signed, and takes the roots that the registry believes.
    ///
    /// - Throws: what the registry says; what it answers that is no certificate of this service.
    @discardableResult
    func renew() async throws -> X509SVID {
        do {
            let fresh = try await registry.address.isTLS ? issuedByTLS() : issuedBySocket()
            guard let svid = fresh.identity?.svid else { throw noCertificate }
            guard svid.id.subject == subject else {
                throw IdentityError(
                    .malformedCertificate,
                    "the registry's certificate is of \(svid.id), not of \(subject.shortName)"
                )
            }
            try folder.keep(svid)
            try folder.keep(fresh.bundle)
            self.svid = svid
            bundle = fresh.bundle
            registry.use(fresh)
            lastFailure = nil
            triesAgainAt = nil
            leavesRootAt = nil
            return svid
        } catch {
            lastFailure = "\(error)"
            triesAgainAt = WallClock.now().advanced(by: Self.retry)
            throw error
        }
    }

    /// On the registry's machine: the socket's own right.
    private func issuedBySocket() async throws -> RegistryCredentials {
        let (subject, key, life) = (subject, key, life)
        return try await registry.withConnection { connection in
            try await connection.issueCredentials(for: subject, with: key, life: life)
        }
    }

    /// By the certificate there is; by the join token where there is none, or none that the registry takes.
    private func issuedByTLS() async throws -> RegistryCredentials {
        guard let svid, let bundle else { return try await joined() }
        return try await following(svid, Self.credentials(key, svid, bundle))
    }

    private func following(_ svid: X509SVID, _ kept: RegistryCredentials) async throws -> RegistryCredentials {
        do {
            return try await followed(svid, kept)
        } catch let refusal as RegistryClientError {
            guard refusal.isRefusal, joinToken != nil else { throw refusal }
            do {
                return try await joined()
            } catch let error as RegistryClientError {
                throw RegistryClientError(
                    refusal.code,
                    refusal.message,
                    hint: "and the join token does not help: \(error.message)",
                    status: refusal.status
                )
            }
        }
    }

    /// Renews while the certificate is valid, rejoins by proof of its key afterwards.
    private func followed(_ svid: X509SVID, _ kept: RegistryCredentials) async throws -> RegistryCredentials {
        if svid.notAfter > WallClock.now() {
            do {
                return try await kept.renewed(at: registry.address, key: key)
            } catch let error as RegistryClientError where error.code == .certificateRefused {
                // By the registry's clock it may have ended.
            }
        }
        return try await kept.rejoined(at: registry.address, key: key)
    }

    private func joined() async throws -> RegistryCredentials {
        guard let joinToken else { throw noCertificate }
        return try await RegistryCredentials.joined(
            by: joinToken,
            as: subject,
            at: registry.address,
            key: key
        )
    }

    private var noCertificate: RegistryClientError {
        RegistryClientError(
            .certificateRefused,
            "\(subject.shortName) has no certificate yet, and \(registry.address) gives one for a join token alone",
            hint:
                "HMS_TOKEN=hms1.… hms-mesh run     an operator makes one: hms-reg token create --service \(subject.shortName)"
        )
    }

    /// Takes the roots that the registry believes now.
    ///
    /// - Returns: whether they are others than before, and can be read.
    func use(bundle pem: String) -> Bool {
        guard let read = try? TrustBundle(pem: pem), read != bundle else { return false }
        bundle = read
        leavesRootAt = nil
        registry.use(Self.credentials(key, svid, read))
        // Kept as well as may be: the watch says it again after a restart.
        try? folder.keep(read)
        return true
    }

    /// Whether the registry signs by another root than the one that signed this certificate: it names that first.
    private var isOfFormerRoot: Bool {
        guard let svid, let bundle, let first = bundle.roots.first, bundle.roots.count > 1 else { return false }
        guard let signing = try? TrustBundle(roots: [first]) else { return false }
        return !svid.isSigned(by: signing)
    }

    /// A fleet does not come all at once. A rotation in a hurry is followed in a hurry: within an eighth of the time since
    /// the new root was made.
    private func momentOfLeaving(now: Timestamp) -> Timestamp {
        let age = max(.zero, now.since(bundle?.signingRootMadeAt ?? now))
        return now.advanced(by: min(Self.leaving, age / 8) * Double.random(in: 0...1))
    }

    /// Whether it is time: a third of its life is over, or another root signs, and the last try is not just past.
    func isRenewalDue(now: Timestamp) -> Bool {
        if let triesAgainAt, now < triesAgainAt { return false }
        guard let svid else { return true }
        if leavesRootAt == nil, isOfFormerRoot { leavesRootAt = momentOfLeaving(now: now) }
        return now >= min(svid.renewAfter, leavesRootAt ?? svid.renewAfter)
    }
}

import Glibc
import Identity
import Mesh
import MeshManifest
import RegistryClient
import RegistryModel
import Supervision
import Terminal

/// What `doctor` looks at, gathered side by side and within ``limit``.
struct Examination: Sendable {
    /// For each question that goes over a socket.
    static let limit = Duration.seconds(2)
    private static let namesLimit = Duration.milliseconds(500)
    private static let mostUnknown = 4
    /// Questions to the registry, of which the quickest tells its clock best.
    private static let samples = 5

    var manifest: Manifest?
    var sidecar: SidecarStatus?
    /// nil: none is named, and no socket answers.
    var registry: RegistryAddress?

    /// - Parameters:
    ///   - service: `--as`; nil: the manifest's, else of the nearest sidecar.
    /// - Throws: exit code 2 for a manifest that is wrong, and for what is no address.
    static func of(service: String?, file: String?, registry option: String?) async throws -> Examination {
        var subject = Examination()
        subject.manifest = try Manifest.forCommand(named: file)
        let meant = service ?? subject.manifest?.service.name.description
        // An operator asks for a registry alone.
        if meant != nil || option == nil { subject.sidecar = await nearest(service: meant) }
        subject.registry = try registry(option, usedBySidecar: subject.sidecar?.registry, subject.manifest)
        return subject
    }

    /// The registry that is named by option or environment, else the sidecar's, else as every program chooses.
    ///
    /// - Throws: exit code 2 for what is no address.
    static func registry(
        _ option: String?,
        usedBySidecar used: String?,
        _ manifest: Manifest?
    ) throws -> RegistryAddress? {
        let isNamed = Environment.variable("HMS_REGISTRY")?.isEmpty == false || option != nil
        do {
            if !isNamed, let used, !used.isEmpty { return try RegistryAddress(used) }
            return try RegistrySelection.choose(
                option: option,
                environment: Environment.variable,
                manifest: { manifest.flatMap { found in found.registry.map { (found.file, $0) } } },
                isAnswered: LocalSocket.isAnswered
            )?.address
        } catch let error as RegistryClientError {
            throw CommandError(error.message, hint: error.hint, exitCode: .usage)
        }
    }

    /// The nearest one that lives, of this service where one is meant.
    private static func nearest(service: String?) async -> SidecarStatus? {
        var sockets = SidecarFile.nearest().map { [$0.admin] } ?? []
        sockets += SidecarSockets.all()
        for socket in sockets {
            guard let status = try? await bounded(limit, { try await SidecarStatus.of(socket) }) else { continue }
            if service == nil || status.service == service { return status }
        }
        return nil
    }

    var serviceName: String? {
        manifest?.service.name.description ?? sidecar?.service
    }

    func report() async -> DoctorReport {
        let name = serviceName.flatMap { try? ServiceName($0) }
        async let asked = askRegistry(name)
        let answers = port.flatMap(Self.connectMilliseconds)
        let (facts, registration) = await asked
        let now = WallClock.now()
        var report = DoctorReport(service: serviceName, findings: [])
        report.findings = RegistryChecks.findings(
            facts,
            sidecar: sidecar,
            now: now
        )
        if sidecar != nil { report.findings += IdentityChecks.findings(identity(), now: now) }
        if let serviceName, let port {
            report.findings += ServiceChecks.findings(
                ServiceFacts(
                    name: serviceName,
                    port: port,
                    answersInMilliseconds: answers,
                    owners: PortOwner.of(port: port),
                    mayBeExposed: manifest?.service.isExposed ?? false,
                    sidecar: sidecar.map { ($0.id, $0.health) },
                    registration: registration
                )
            )
        }
        let upstreams = sidecar?.upstreams ?? []
        report.findings += UpstreamChecks.findings(upstreams, nearest: await nearestNames(to: upstreams, facts))
        report.findings += MachineChecks.findings(machine(facts))
        return report
    }

    // MARK: The registry

    private func askRegistry(_ service: ServiceName?) async -> (RegistryFacts, ServiceFacts.Registration) {
        guard let registry else {
            return (.none(tried: RegistryAddress.wellKnownSockets(environment: Environment.variable)), .unasked)
        }
        do {
            let credentials = registry.isTLS ? credentials(for: registry) : nil
            let answer = try await bounded(Self.limit) {
                try await RegistryConnection.withConnection(to: registry, credentials: credentials) { connection in
                    let facts = try await Self.measure(connection)
                    return (facts, try await Self.registration(of: service, connection))
                }
            }
            guard let answer else {
                throw RegistryClientError(
                    .unreachable,
                    "no answer from \(registry) within \(Self.limit.components.seconds)s"
                )
            }
            return (.answered(answer.0), answer.1)
        } catch let error as RegistryClientError {
            return (.failed(error, offsetMilliseconds: await claimedOffset(registry, error)), .unasked)
        } catch {
            return (.failed(RegistryClientError(.unreachable, "\(error)"), offsetMilliseconds: nil), .unasked)
        }
    }

    /// The clock's offset as NTP reckons it (RFC 5905 §8), of the quickest of some questions.
    private static func measure(_ connection: RegistryConnection) async throws -> RegistryFacts.Answer {
        var best: RegistryFacts.Answer?
        for _ in 0..<samples {
            let began = ContinuousClock.now
            let asked = WallClock.now()
            let document = try await connection.statusDocument()
            let milliseconds = began.duration(to: .now).inMilliseconds
            let report = try document.statusReport()
            guard best.map({ milliseconds < $0.latencyMilliseconds }) ?? true else { continue }
            best = RegistryFacts.Answer(
                address: connection.address,
                latencyMilliseconds: milliseconds,
                report: report,
                offsetMilliseconds: report.time.map { Double(asked.since($0).milliseconds) + milliseconds / 2 }
            )
        }
        guard let best else { throw RegistryClientError(.interrupted, "it was not asked") }
        return best
    }

    private static func registration(
        of service: ServiceName?,
        _ connection: RegistryConnection
    ) async throws -> ServiceFacts.Registration {
        guard let service else { return .unasked }
        do {
            let found = try await connection.lookup(service, LookupFilter(all: true))
            return .known(ids: found.instances.map(\.instance.key.id.description))
        } catch {
            guard error.code == .unknownService else { throw error }
            return .unknown(nearest: error.nearest)
        }
    }

    /// What may have been meant by names that nobody registered; nothing where the registry does not say so quickly.
    private func nearestNames(to upstreams: [SidecarStatus.Upstream], _ facts: RegistryFacts) async -> [String: String]
    {
        let unknown = upstreams.filter { !$0.isKnown }.compactMap { try? ServiceName($0.service) }.prefix(
            Self.mostUnknown
        )
        guard case .answered(let answer) = facts, !unknown.isEmpty else { return [:] }
        let credentials = answer.address.isTLS ? credentials(for: answer.address) : nil
        let found = try? await bounded(Self.namesLimit) {
            try await RegistryConnection.withConnection(to: answer.address, credentials: credentials) { connection in
                var found: [String: String] = [:]
                for name in unknown {
                    guard case .unknown(let nearest) = try await Self.registration(of: name, connection) else {
                        continue
                    }
                    found[name.description] = nearest.first
                }
                return found
            }
        }
        return (found ?? nil) ?? [:]
    }

    /// Where TLS failed: a wrong clock makes every certificate look wrong.
    private func claimedOffset(_ registry: RegistryAddress, _ error: RegistryClientError) async -> Double? {
        guard registry.isTLS, error.code != .unreachable else { return nil }
        guard
            let time = try? await bounded(
                .milliseconds(500),
                { try await RegistryConnection.claimedTime(at: registry) }
            )
        else { return nil }
        return Double(WallClock.now().since(time).milliseconds)
    }

    /// The person's own, else the sidecar's.
    private func credentials(for registry: RegistryAddress) -> RegistryCredentials? {
        if let own = try? IdentityStore(for: registry, environment: Environment.variable).load(), own.identity != nil {
            return own
        }
        guard let directory = stateDirectory, let identity = identity(),
            let pem = try? PrivateFile.read(directory + "/key.pem"), let key = try? WorkloadKey(pem: pem)
        else { return nil }
        return RegistryCredentials(
            bundle: identity.bundle,
            trustDomain: identity.svid.id.trustDomain,
            identity: .init(svid: identity.svid, key: key)
        )
    }

    // MARK: This machine

    private var port: UInt16? {
        sidecar?.applicationPort ?? manifest?.service.port
    }

    private var stateDirectory: String? {
        guard let sidecar, let user = UserDirectories(environment: Environment.variable) else { return nil }
        return "\(user.state)/sidecars/\(sidecar.service)/\(sidecar.id)/identity"
    }

    private func identity() -> IdentityFacts? {
        guard let directory = stateDirectory, let certificate = try? PrivateFile.read(directory + "/certificate.pem"),
            let roots = try? PrivateFile.read(directory + "/bundle.pem"), let svid = try? X509SVID(pem: certificate),
            let bundle = try? TrustBundle(pem: roots)
        else { return nil }
        return IdentityFacts(svid: svid, bundle: bundle, renewalFailure: sidecar?.renewalFailure)
    }

    private func machine(_ registry: RegistryFacts) -> MachineFacts {
        var facts = MachineFacts(ownVersion: ProductVersion.current)
        facts.sidecarVersion = sidecar?.version ?? ""
        if case .answered(let answer) = registry { facts.registryVersion = answer.report.version }
        if let user = UserDirectories(environment: Environment.variable) {
            facts.diskUsedFraction = Self.diskUsedFraction(stateDirectory ?? user.state)
        }
        if let usage = sidecar?.pid.flatMap({ ProcessUsage.of($0) }) {
            facts.residentBytes = usage.residentBytes
            facts.descriptors = (usage.descriptors, usage.descriptorLimit)
        }
        return facts
    }

    private static func diskUsedFraction(_ path: String) -> Double? {
        var status = statvfs()
        guard statvfs(path, &status) == 0 || statvfs("/", &status) == 0, status.f_blocks > 0 else { return nil }
        return 1 - Double(status.f_bavail) / Double(status.f_blocks)
    }

    private static func connectMilliseconds(_ port: UInt16) -> Double? {
        let began = ContinuousClock.now
        let isAnswered = LocalSocket.isAnswered(port: port, within: .milliseconds(500))
        return isAnswered ? began.duration(to: .now).inMilliseconds : nil
    }
}

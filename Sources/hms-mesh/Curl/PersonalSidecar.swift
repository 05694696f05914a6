import Glibc
import Identity
import Mesh
import MeshManifest
import RegistryClient
import RegistryModel
import Supervision
import Terminal

/// A sidecar in this very process, which only calls, as the person at the terminal: for a command that finds no other one.
///
/// At the registry's socket its certificate is good for an hour, and kept for the next command; at a TLS door it is the one
/// that `hms-reg login` got. Sockets lie in a folder of this user's alone that goes with the command.
struct PersonalSidecar: Sendable {
    private static let certificateLife = Duration.seconds(3_600)
    /// As its calls are told in the access log, behind the person's name.
    private static let label = "hms-mesh-curl"
    private static let folderPrefix = "curl-"
    /// A kept certificate with less left than this is replaced.
    private static let leastLeft = Duration.seconds(600)

    private let sidecar: Sidecar
    private let keeping: Task<Void, Never>
    private let folder: String
    let choice: SidecarChoice

    /// - Parameter registry: `--registry`; nil: as every command finds it.
    /// - Returns: nil where there is no registry.
    /// - Throws: exit code 3 where the registry can't be reached, 4 where it gives no certificate.
    static func start(registry: String? = nil) async throws -> PersonalSidecar? {
        guard
            let address = try Examination.registry(registry, usedBySidecar: nil, try Manifest.forCommand()),
            let user = UserDirectories(environment: Environment.variable)
        else { return nil }
        let login = try login
        removeLeftovers(in: user.runtime)
        let folder = "\(user.runtime)/\(folderPrefix)\(getpid())"
        do {
            return try await start(address, login, user, folder)
        } catch {
            remove(folder)
            throw commandError(error, login, address)
        }
    }

    func stop() async {
        keeping.cancel()
        await sidecar.stop()
        Self.remove(folder)
    }

    private static func start(
        _ address: RegistryAddress,
        _ login: Login,
        _ user: UserDirectories,
        _ folder: String
    ) async throws -> PersonalSidecar {
        var configuration = SidecarConfiguration(
            service: try ServiceName(label),
            instance: try InstanceID("curl"),
            registry: address,
            stateDirectory: folder,
            runDirectory: folder
        )
        configuration.person = login
        configuration.certificateLife = address.isTLS ? nil : certificateLife
        configuration.isDevelopment = true
        configuration.programVersion = ProductVersion.current
        configuration.tracing = try TracingConfiguration(environment: Environment.variable)
        configuration.outbound = .unix(path: folder + "/out.sock")
        let logs = "\(user.state)/sidecars/\(label)/\(login)"
        try PrivateFile.makeDirectory(logs)
        configuration.logPath = logs + "/access.log"
        try PrivateFile.makeDirectory(folder + "/identity")
        let identity = IdentityFolder(folder + "/identity")
        let kept = IdentityStore(for: address, name: label, environment: Environment.variable)
        if address.isTLS {
            try await takeLogin(at: address, into: identity)
        } else {
            try await take(kept, address, identity)
        }
        let sidecar = try await Sidecar.start(configuration) { _ in }
        // For the next command; without it that one gets a certificate of its own.
        if !address.isTLS, let credentials = identity.credentials { try? kept.store(credentials) }
        return PersonalSidecar(
            sidecar: sidecar,
            keeping: Task { await sidecar.run() },
            folder: folder,
            choice: SidecarChoice(
                service: "a sidecar of this command's own",
                outbound: sidecar.outboundAddress,
                admin: sidecar.adminSocket,
                spiffeID: "spiffe://\(sidecar.trustDomain)/user/\(login)"
            )
        )
    }

    /// What `hms-reg login` left, in the form in which a sidecar keeps its own. The registry must believe it: a sidecar would
    /// only go on asking.
    private static func takeLogin(at address: RegistryAddress, into folder: IdentityFolder) async throws {
        let stored = try await IdentityStore(for: address, environment: Environment.variable).loadFresh(at: address)
        guard let credentials = stored, credentials.identity != nil else {
            throw CommandError(
                "No sidecar runs here, and you are not logged in at \(address)",
                hint: "hms-reg login     or in a service's folder: hms-mesh dev",
                exitCode: .notAllowed
            )
        }
        _ = try await RegistryConnection.withConnection(to: address, credentials: credentials) { try await $0.whoAmI() }
        try folder.keep(credentials)
    }

    /// What the last command kept, where it is good for a while yet and of the authority that the registry has now.
    private static func take(_ kept: IdentityStore, _ address: RegistryAddress, _ folder: IdentityFolder) async throws {
        guard let credentials = try? kept.load(), let identity = credentials.identity,
            identity.svid.notAfter.since(WallClock.now()) > leastLeft
        else { return }
        let bundle = try await RegistryConnection.withConnection(to: address) { try await $0.authority().bundle }
        guard try TrustBundle(pem: bundle) == credentials.bundle else { return }
        try folder.keep(credentials)
    }

    /// The person at this terminal.
    static var login: Login {
        get throws {
            let name = getpwuid(geteuid()).map { String(cString: $0.pointee.pw_name) } ?? "uid-\(geteuid())"
            do {
                return try Login(name)
            } catch {
                throw CommandError(error.message, exitCode: .notSo)
            }
        }
    }

    private static func commandError(_ error: any Error, _ login: Login, _ address: RegistryAddress) -> any Error {
        switch error {
        case let error as RegistryClientError:
            CommandError(
                "No sidecar runs here, and \(address) gives user/\(login) no certificate: \(error.message)",
                hint: error.hint ?? "in a service's folder: hms-mesh dev",
                exitCode: error.isRefusal ? .notAllowed : .unreachable
            )
        case let error as IdentityError: CommandError(error.message, exitCode: .unreachable)
        case let error as SidecarError: CommandError(error)
        default: error
        }
    }

    // MARK: Its folder

    /// Of commands that were killed.
    private static func removeLeftovers(in directory: String) {
        for name in DirectoryListing.names(in: directory) where name.hasPrefix(folderPrefix) {
            guard let pid = Int32(name.dropFirst(folderPrefix.count)), kill(pid, 0) != 0, errno == ESRCH else {
                continue
            }
            remove("\(directory)/\(name)")
        }
    }

    /// A folder of files, and one of them below it.
    private static func remove(_ folder: String) {
        for name in DirectoryListing.names(in: folder + "/identity") { unlink("\(folder)/identity/\(name)") }
        rmdir(folder + "/identity")
        for name in DirectoryListing.names(in: folder) { unlink("\(folder)/\(name)") }
        rmdir(folder)
    }
}

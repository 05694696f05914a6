import ArgumentParser
import Glibc
import Identity
import MeshManifest
import Registry
import RegistryClient
import Supervision
import Terminal

/// Which registry is meant.
struct RegistryOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "https://HOST:PORT of the registry, unix:PATH of its socket, or http://HOST:PORT of its plain door.",
            valueName: "address"
        )
    )
    var registry: String?

    @Option(
        help: ArgumentHelp(
            "The daemon's data directory: its socket, or its files when no daemon is up.",
            valueName: "dir"
        )
    )
    var data: String?

    @Option(
        help: ArgumentHelp(
            "PEM of the registry's root, instead of what hms-reg login keeps.",
            valueName: "file"
        )
    )
    var ca: String?

    /// Those with a value that may stand before the subcommand.
    static let valueOptions: Set<String> = ["--registry", "--data", "--ca", "--color"]

    func validate() throws {
        if registry != nil, data != nil {
            throw ValidationError("--registry and --data both name a registry: give one of them")
        }
    }

    /// Does `body` with a connection to the registry.
    ///
    /// - Throws: whatever `body` throws, in words for people; exit code 3 where no registry answers.
    func withConnection<R: Sendable>(_ body: (RegistryConnection) async throws -> R) async throws -> R {
        do {
            let address = try address()
            return try await RegistryConnection.withConnection(
                to: address,
                credentials: try await freshCredentials(for: address),
                body
            )
        } catch let error as RegistryClientError {
            throw CommandError(error, isData: data != nil)
        }
    }

    /// The same for a question that the files of `--data` can answer when no daemon is up.
    func withSource<R: Sendable>(
        online: (RegistryConnection) async throws -> R,
        offline: (OfflineRegistry) throws -> R
    ) async throws -> R {
        guard let data else { return try await withConnection(online) }
        do {
            return try await RegistryConnection.withConnection(to: try address(), online)
        } catch let error as RegistryClientError where error.code == .unreachable {
            let registry: OfflineRegistry
            do {
                registry = try OfflineRegistry.open(dataDirectory: data)
            } catch {
                throw CommandError(error.message, hint: error.hint, exitCode: .unreachable)
            }
            return try offline(registry)
        } catch let error as RegistryClientError {
            throw CommandError(error, isData: true)
        }
    }

    /// What hms-reg login has kept, with the roots of `--ca` where they are named.
    func credentials(for address: RegistryAddress) throws -> RegistryCredentials? {
        guard address.isTLS else { return nil }
        var credentials = try IdentityStore(for: address, environment: Environment.variable).load()
        guard let ca else { return credentials }
        let bundle: TrustBundle
        do {
            bundle = try TrustBundle(pem: try TextFile.contents(of: ca))
        } catch let error as IdentityError {
            throw CommandError("\(ca): \(error.message)", exitCode: .usage)
        }
        credentials = credentials ?? RegistryCredentials(bundle: bundle)
        credentials?.bundle = bundle
        return credentials
    }

    /// The same, renewed first where that is due.
    private func freshCredentials(for address: RegistryAddress) async throws -> RegistryCredentials? {
        guard let kept = try credentials(for: address) else { return nil }
        return try await IdentityStore(for: address, environment: Environment.variable).fresh(kept, at: address)
    }

    var isNamed: Bool {
        registry != nil || data != nil || Environment.variable("HMS_REGISTRY")?.isEmpty == false
    }

    /// What is named, else the first well-known socket that answers.
    func address() throws -> RegistryAddress {
        do {
            if let data { return try RegistryAddress(socket: data + "/regd.sock") }
            let selection = try RegistrySelection.choose(
                option: registry,
                environment: Environment.variable,
                manifest: { try Manifest.forCommand().flatMap { file in file.registry.map { (file.file, $0) } } },
                isAnswered: LocalSocket.isAnswered
            )
            if let selection { return selection.address }
        } catch let error as RegistryClientError {
            throw CommandError(error.message, hint: error.hint, exitCode: .usage)
        }
        let sockets = RegistryAddress.wellKnownSockets(environment: Environment.variable)
        throw CommandError(
            "Could not reach a registry: no socket, none named",
            reasons: ["tried HMS_REGISTRY (unset), hms.yml (names none), \(sockets.joined(separator: ", "))"],
            hint: "start one: hms-regd --data ./data     or read its files: hms-reg --data ./data list",
            exitCode: .unreachable
        )
    }
}

extension CommandError {
    /// The registry's errors as people are told them, and the exit code of each kind.
    init(_ error: RegistryClientError, isData: Bool) {
        switch error.code {
        case .unreachable:
            let hint =
                isData
                ? "hms-reg --data DIR list and lookup read its files; everything else needs the daemon: hms-regd --data DIR"
                : "is it up? start it: hms-regd --data DIR"
            self.init("Could not reach the registry", reasons: [error.message], hint: hint, exitCode: .unreachable)
        case .interrupted: self.init(error.message, hint: error.hint, exitCode: .unreachable)
        case .untrustedRegistry: self.init(error.message, hint: error.hint, exitCode: .unreachable)
        case .readOnlyDoor, .notAllowed, .certificateRefused, .notYours, .badToken:
            self.init(error.message, hint: error.hint, exitCode: .notAllowed)
        case .badRequest, .badAddress: self.init(error.message, hint: error.hint, exitCode: .usage)
        case .unknownService:
            let hint = error.nearest.first.map { "did you mean \($0)? all names: hms-reg list" }
            self.init(error.message, hint: hint ?? "all names: hms-reg list", exitCode: .notSo)
        default:
            let exitCode: ExitCode = error.status == 403 ? .notAllowed : .notSo
            self.init(error.message, hint: error.hint, exitCode: exitCode)
        }
    }
}

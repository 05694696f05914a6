import ArgumentParser
import Dashboard
import Glibc
import Identity
import Mesh
import MeshManifest
import RegistryClient
import RegistryModel
import Supervision
import Terminal

struct DashboardCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "dashboard",
        abstract: "Show services, calls and the registry on a local web page.",
        discussion: """
            What is failing, who calls whom, each instance's history and live requests, and the registry as of any moment of \
            its past. Served by this program on loopback, to this user's browser alone; it only reads. Calls and their rates \
            are those that this user's sidecars on this machine tell; with --remote, which is for operators and goes on the \
            registry's record, also those that sidecars elsewhere tell.

              hms-mesh dashboard
              hms-mesh dashboard --registry https://reg.gov.local:9000 --listen 127.0.0.1:9020
              hms-mesh dashboard --remote --service identity-check
            """
    )

    @Option(
        help: ArgumentHelp("Where the page is served: a loopback address; port 0: a free one.", valueName: "host:port")
    )
    var listen = "127.0.0.1:9010"

    @Option(help: ArgumentHelp("https://HOST:PORT or unix:PATH of the registry.", valueName: "address"))
    var registry: String?

    @Flag(help: "Ask sidecars elsewhere too, found through the registry: for operators, and on its record.")
    var remote = false

    @Option(
        help: ArgumentHelp("With --remote: only this service's sidecars; several times for more.", valueName: "name")
    )
    var service: [String] = []

    @Flag(name: .customLong("no-open"), help: "Do not open a browser, which is done from a terminal of a desktop only.")
    var noOpen = false

    @Option(help: ArgumentHelp("Colours: auto, always or never.", valueName: "when"))
    var color = ColorMode.auto

    mutating func validate() throws {
        if !service.isEmpty, !remote { throw ValidationError("--service goes with --remote") }
        for name in service {
            do { _ = try ServiceName(name) } catch { throw ValidationError(error.message) }
        }
    }

    func run() async throws {
        let output = Output(color: color)
        let (host, port) = try Self.authority(listen)
        guard let address = try await registryAddress() else {
            let sockets = RegistryAddress.wellKnownSockets(environment: Environment.variable)
            throw CommandError(
                "Could not reach a registry: no socket, none named",
                reasons: ["tried HMS_REGISTRY (unset), hms.yml (names none), \(sockets.joined(separator: ", "))"],
                hint: "in a service's folder: hms-mesh dev     or name one: hms-mesh dashboard --registry unix:PATH",
                exitCode: .unreachable
            )
        }
        let login = PersonalLogin(at: address)
        await login.refresh()
        try await Self.reach(address)
        let remote = try await look(address)
        let signals = StopSignals()
        let dashboard: Dashboard
        do throws(DashboardError) {
            dashboard = try await Dashboard.start(configuration(host, port, address, remote))
        } catch {
            throw await Self.failure(error, host, port)
        }
        let url = "http://\(host.contains(":") ? "[\(host)]" : host):\(dashboard.port)"
        output.write("\(output.style.green(output.symbols.done)) Dashboard on \(url)\n")
        output.note(output.errorStyle.dim("  registry \(address) \(output.symbols.separator) Ctrl-C ends it"))
        if !noOpen { Self.open(url) }
        let serving = Task { try await dashboard.run() }
        let keeping = Task { await login.keepFresh() }
        let signal = await signals.received()
        serving.cancel()
        keeping.cancel()
        throw ExitCode(128 + signal)
    }

    /// - Throws: where there is no certificate to look by.
    private func look(_ address: RegistryAddress) async throws -> RemoteLook? {
        guard remote else { return nil }
        let credentials = OperatorCredentials(at: address)
        _ = try await credentials.current()
        return RemoteLook(services: Set(try service.map { try ServiceName($0) })) { try await credentials.current() }
    }

    private func configuration(
        _ host: String,
        _ port: Int,
        _ address: RegistryAddress,
        _ remote: RemoteLook?
    ) -> DashboardConfiguration {
        DashboardConfiguration(
            host: host,
            port: port,
            registry: address,
            credentials: { Self.credentials(for: address) },
            sidecarSockets: SidecarSockets.all,
            remote: remote,
            version: ProductVersion.current
        )
    }

    private static func credentials(for address: RegistryAddress) -> RegistryCredentials? {
        guard address.isTLS else { return nil }
        return try? IdentityStore(for: address, environment: Environment.variable).load()
    }

    /// A registry that goes away later is shown as away; one that can't be asked to begin with is a mistake.
    ///
    /// - Throws: exit code 3 where it does not answer or is not to be believed, 4 where it refuses.
    private static func reach(_ address: RegistryAddress) async throws {
        do {
            try await RegistryConnection.withConnection(
                to: address,
                credentials: credentials(for: address),
                timeout: Examination.limit
            ) { _ = try await $0.statusDocument() }
        } catch let error as RegistryClientError {
            let exitCode: ExitCode = error.code != .untrustedRegistry && error.isRefusal ? .notAllowed : .unreachable
            throw CommandError(error.message, hint: error.hint, exitCode: exitCode)
        }
    }

    /// The one that is named, else the one that the nearest sidecar belongs to, else the first that answers.
    private func registryAddress() async throws -> RegistryAddress? {
        var used: String?
        if let near = SidecarFile.nearest() { used = try? await SidecarStatus.of(near.admin).registry }
        return try Examination.registry(registry, usedBySidecar: used, try Manifest.forCommand())
    }

    static func authority(_ text: String) throws -> (host: String, port: Int) {
        guard let colon = text.lastIndex(of: ":"), let port = UInt16(text[text.index(after: colon)...]) else {
            throw CommandError("--listen \(text) is no HOST:PORT", hint: "--listen 127.0.0.1:9010", exitCode: .usage)
        }
        var host = text[..<colon]
        if host.hasPrefix("["), host.hasSuffix("]") { host = host.dropFirst().dropLast() }
        return (String(host), Int(port))
    }

    private static func failure(_ error: DashboardError, _ host: String, _ port: Int) async -> CommandError {
        guard error.code == .addressInUse else {
            return CommandError(
                error.message,
                hint: "--listen 127.0.0.1:\(port)     and from elsewhere: ssh -L \(port):127.0.0.1:\(port) HOST",
                exitCode: .usage
            )
        }
        let other = "hms-mesh dashboard --listen \(host):\(port > 65_525 ? port - 10 : port + 10)"
        if let running = try? await bounded(.seconds(2), { await DashboardProbe.at(host: host, port: port) }) ?? nil {
            return CommandError(
                "Your dashboard runs already: http://\(host):\(port)",
                reasons: ["pid \(running.pid), registry \(running.registry)"],
                hint: "open it, or start another: \(other)",
                exitCode: .notSo
            )
        }
        let owner = PortOwner.of(port: UInt16(port)).first?.description ?? "another process"
        return CommandError("Port \(port) is taken by \(owner)", hint: other, exitCode: .notSo)
    }

    /// In the user's browser, where there is a desktop to show one. Nothing is said where that fails: the address stands there.
    private static func open(_ url: String) {
        let hasDesktop = ["DISPLAY", "WAYLAND_DISPLAY"].contains { Environment.variable($0)?.isEmpty == false }
        guard hasDesktop, Output.isOutputTerminal else { return }
        _ = try? DetachedProcess(
            running: ["xdg-open", url],
            environment: ProcessEnvironment.variables(),
            logFile: "/dev/null"
        )
    }
}

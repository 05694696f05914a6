import ArgumentParser
import MeshManifest
import RegistryModel
import Supervision
import Terminal

struct DevCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "dev",
        abstract: "Turn this folder into a registered service with a certificate and a sidecar.",
        discussion: """
            Reads hms.yml, finds a registry or starts a dev registry, starts the sidecar, then the application with PORT,
            HOST and HMS_MESH_ADDR set, and stays. Ctrl-C drains before the application is stopped.

              hms-mesh dev -- node server.js
              hms-mesh dev --port 7010            a second instance
              hms-mesh dev --instances 2          both at once
            """
    )

    @OptionGroup var options: LaunchOptions

    @Option(help: ArgumentHelp("Instances, on ports 10 apart.", valueName: "n"))
    var instances = 1

    @Flag(help: "Take requests of the fleet, where the registry is not your own.")
    var joinTraffic = false

    mutating func validate() throws {
        guard (1...20).contains(instances) else { throw ValidationError("--instances takes 1 to 20") }
        guard instances == 1 || options.id == nil else { throw ValidationError("--id names one instance, not several") }
    }

    func run() async throws {
        let manifest = try options.manifest()
        let output = options.printing.output
        let ports = try ports(manifest)
        let environment = ProcessEnvironment.variables()
        let token = try options.joinToken(environment)
        let registry = try await DevRegistry.find(
            option: options.registry,
            token: token,
            manifest: manifest,
            environment: environment,
            mayStart: true
        )
        let isOwn = registry.isOwn || joinTraffic
        if !isOwn {
            output.note(
                "\(output.symbols.warning) this registry is not your own: registered with weight 0 (--join-traffic takes requests)"
            )
        }
        if !manifest.mesh.usesMutualTLS {
            output.note("\(output.symbols.warning) \(Self.plainDoorWarning(manifest))")
        }
        let labels = ports.map { ports.count == 1 ? "app" : "app:\($0)" }
        let width = OutputPrefixer.width(of: labels)
        let signals = StopSignals()
        let runs = try zip(ports, labels).enumerated().map { index, instance in
            let (port, label) = instance
            return InstanceRun(
                plan: try LaunchPlan(
                    manifest,
                    options,
                    port: port,
                    registry: registry.address,
                    joinToken: token,
                    isDevelopment: true,
                    isOwnRegistry: isOwn,
                    environment: environment
                ),
                screen: InstanceScreen(output, label: label, width: width, showsSteps: index == 0),
                symbols: output.symbols,
                registryText: registry.explanation(home: environment["HOME"], symbols: output.symbols),
                isDevelopment: true
            )
        }
        let keeping = DevRegistryKeeper(registry, environment).map { keeper in
            Task { [screen = runs.first?.screen] in await keeper.run { screen?.mesh($0) } }
        }
        defer { keeping?.cancel() }
        let code = try await InstanceRun.all(runs, until: signals)
        throw ExitCode(code)
    }

    /// What `mtls: false` comes to.
    static func plainDoorWarning(_ manifest: Manifest) -> String {
        LaunchPlan.opensPlainDoor(manifest)
            ? "mtls: false: whoever is on this machine may call \(manifest.service.name) without a certificate; sidecars still use mTLS"
            : "mtls: false opens no door: mesh.allow names who may call, and that takes a certificate"
    }

    /// The application's ports: the one that is named must be free, further ones are the next that are.
    private func ports(_ manifest: Manifest) throws -> [UInt16] {
        let first = options.port ?? manifest.service.port
        let hasCommand = !options.command.isEmpty || manifest.service.command != nil
        if hasCommand, let fault = PortFault.beforeStart(port: first) {
            throw CommandError(
                fault.message,
                hint: fault.hint(service: manifest.service.name.description),
                exitCode: .notSo
            )
        }
        var ports = [first]
        var candidate = Int(first)
        while ports.count < instances {
            candidate += 10
            guard let port = UInt16(exactly: candidate) else {
                throw CommandError("there are no \(instances) free ports from \(first) on", exitCode: .notSo)
            }
            if PortFault.beforeStart(port: port) == nil { ports.append(port) }
        }
        return ports
    }
}

struct RunCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "run",
        abstract: "The production sidecar: the same as dev, never with a dev registry.",
        discussion: """
            Needs a registry that is named (--registry, HMS_REGISTRY, hms.yml, or the join token in HMS_TOKEN) or one on
            this machine. With a command it starts and ends with it, and exits as it did; without one it stands beside an
            application that somebody else starts.

              HMS_TOKEN=hms1.… hms-mesh run -- node server.js
              hms-mesh run --registry https://reg.gov.local:9000 --file /etc/hms/photo-validator.yml
            """
    )

    @OptionGroup var options: LaunchOptions

    func run() async throws {
        let manifest = try options.manifest()
        guard manifest.mesh.usesMutualTLS else {
            throw CommandError(
                "mtls: false is for hms-mesh dev: in production every call is authenticated",
                hint: "remove mtls: false from \(manifest.file)",
                exitCode: .usage
            )
        }
        let output = options.printing.output
        let environment = ProcessEnvironment.variables()
        let token = try options.joinToken(environment)
        let registry = try await DevRegistry.find(
            option: options.registry,
            token: token,
            manifest: manifest,
            environment: environment,
            mayStart: false
        )
        let signals = StopSignals()
        let run = InstanceRun(
            plan: try LaunchPlan(
                manifest,
                options,
                port: options.port ?? manifest.service.port,
                registry: registry.address,
                joinToken: token,
                isDevelopment: false,
                isOwnRegistry: true,
                environment: environment
            ),
            screen: InstanceScreen(output, label: "app", width: OutputPrefixer.width(of: []), showsSteps: true),
            symbols: output.symbols,
            registryText: registry.explanation(home: environment["HOME"], symbols: output.symbols),
            isDevelopment: false
        )
        throw ExitCode(try await run.run(until: signals))
    }
}

extension InstanceRun {
    /// Runs several side by side; the first that ends by itself ends them all.
    ///
    /// - Returns: the code of the first that was not 0.
    static func all(_ runs: [InstanceRun], until signals: StopSignals) async throws -> Int32 {
        try await withThrowingTaskGroup(of: Int32.self) { group in
            for run in runs { group.addTask { try await run.run(until: signals) } }
            var code: Int32 = 0
            for try await ended in group {
                if code == 0 { code = ended }
                signals.giveUp()
            }
            return code
        }
    }
}

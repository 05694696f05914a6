import ArgumentParser
import Glibc
import Identity
import Mesh
import MeshManifest
import RegistryClient
import RegistryModel
import Supervision
import Terminal

/// One instance to be: its sidecar's configuration, and how its application is started.
struct LaunchPlan: Sendable {
    let manifest: Manifest
    let configuration: SidecarConfiguration
    /// nil: the application is started by somebody else.
    let command: [String]?
    let port: UInt16
    let proxies: Bool
    /// Folder of the manifest: the command runs there.
    let directory: String
    let environment: [String: String]

    /// Sidecars listen here above the application's port.
    private static let inboundOffset = 10_000

    /// - Parameters:
    ///   - port: the instance's own.
    ///   - joinToken: for a registry's TLS door.
    ///   - isOwnRegistry: false: a developer's instance takes no requests of that registry's fleet.
    /// - Throws: exit code 2 for options that make no sense.
    init(
        _ manifest: Manifest,
        _ options: LaunchOptions,
        port: UInt16,
        registry: RegistryAddress,
        joinToken: JoinToken?,
        isDevelopment: Bool,
        isOwnRegistry: Bool,
        environment: [String: String]
    ) throws {
        self.manifest = manifest
        self.port = port
        // The application has no business with the secret.
        self.environment = environment.filter { $0.key != LaunchOptions.tokenVariable }
        proxies = manifest.service.setsProxyEnvironment
        directory = Self.folder(of: manifest.file)
        command = options.command.isEmpty ? manifest.service.command.map(Self.arguments) : options.command
        guard let user = UserDirectories(environment: { environment[$0] }) else {
            throw CommandError(
                "neither HOME nor XDG_STATE_HOME says where a sidecar may keep its key",
                hint: "XDG_STATE_HOME=/var/lib/hms hms-mesh run",
                exitCode: .usage
            )
        }
        let id = try Self.id(options.id, port: port)
        var configuration = SidecarConfiguration(
            service: manifest.service.name,
            instance: id,
            registry: registry,
            stateDirectory: "\(user.state)/sidecars/\(manifest.service.name)/\(id)",
            runDirectory: user.runtime
        )
        configuration.joinToken = joinToken
        let service = manifest.service
        configuration.version = service.version
        configuration.zone = service.zone
        configuration.tags = service.tags
        configuration.metadata = service.metadata
        configuration.weight = isOwnRegistry ? service.weight : 0
        configuration.repeatable = service.repeatable
        configuration.applicationPort = port
        configuration.applicationSpeaksHTTP2 = service.applicationProtocol == .h2c
        configuration.healthPath = service.health
        configuration.rules = manifest.mesh.rules
        configuration.upstreams = manifest.mesh.upstreams
        if let allow = manifest.mesh.allow {
            configuration.allow = .only(services: allow.services, users: allow.users)
        }
        configuration.egress = manifest.mesh.egress ?? (isDevelopment ? nil : [])
        configuration.loggedPath = manifest.mesh.loggedPath
        configuration.isDevelopment = isDevelopment
        configuration.opensPlainDoor = isDevelopment && Self.opensPlainDoor(manifest)
        configuration.drainTime = isDevelopment ? .seconds(5) : .seconds(30)
        configuration.threads = options.threads
        configuration.programVersion = ProductVersion.current
        do throws(SidecarError) {
            configuration.tracing = try TracingConfiguration { environment[$0] }
        } catch {
            throw CommandError(
                error.message,
                hint: "OTEL_EXPORTER_OTLP_ENDPOINT=http://localhost:4318",
                exitCode: .usage
            )
        }
        try Self.place(
            &configuration,
            manifest,
            options,
            port: port,
            hasCommand: command != nil,
            isDevelopment: isDevelopment
        )
        self.configuration = configuration
    }

    private static func place(
        _ configuration: inout SidecarConfiguration,
        _ manifest: Manifest,
        _ options: LaunchOptions,
        port: UInt16,
        hasCommand: Bool,
        isDevelopment: Bool
    ) throws {
        if let text = options.outbound {
            if text.hasPrefix("unix:") {
                configuration.outbound = .unix(path: String(text.dropFirst(5)))
            } else if let place = HostAndPort(text) {
                configuration.outbound = .tcp(host: place.host, port: Int(place.port))
            } else {
                throw CommandError("--outbound \(text) is neither HOST:PORT nor unix:PATH", exitCode: .usage)
            }
        } else if !isDevelopment {
            configuration.outbound = .tcp(host: "127.0.0.1", port: 9_011)
            // Whom it starts itself it tells where calls are taken.
            configuration.takesAnyOutboundPort = hasCommand
        }
        configuration.inboundPort = UInt16(clamping: Int(port) + inboundOffset)
        configuration.takesNextInboundPort = isDevelopment
        if let inbound = manifest.mesh.inbound {
            configuration.inboundPort = inbound.port
            if let host = inbound.host { configuration.inboundHost = host }
        }
        if let text = options.advertise {
            let place = HostAndPort(text)
            configuration.advertisedHost = place?.host ?? text
            if let place { configuration.inboundPort = place.port }
        }
        if let text = options.adminListen {
            guard let place = HostAndPort(text) else {
                throw CommandError("--admin-listen \(text) is not HOST:PORT", exitCode: .usage)
            }
            configuration.adminListen = (place.host, Int(place.port))
        }
    }

    /// Whoever is named in `mesh.allow` must show who he is.
    static func opensPlainDoor(_ manifest: Manifest) -> Bool {
        !manifest.mesh.usesMutualTLS && manifest.mesh.allow == nil
    }

    private static func id(_ named: String?, port: UInt16) throws -> InstanceID {
        guard let named else { return InstanceNaming.stableID(host: InstanceNaming.hostName(), port: port) }
        do {
            return try InstanceID(named)
        } catch {
            throw CommandError("--id \(named): \(error.message)", exitCode: .usage)
        }
    }

    private static func arguments(_ command: Manifest.Command) -> [String] {
        switch command {
        case .shell(let line): ["/bin/sh", "-c", line]
        case .arguments(let arguments): arguments
        }
    }

    private static func folder(of file: String) -> String {
        file.lastIndex(of: "/").map { String(file[..<$0]) } ?? "."
    }

    /// `node server.js`, as people wrote it.
    var commandText: String {
        switch (command, manifest.service.command) {
        case (_?, .shell(let line)?) where command?.first == "/bin/sh": line
        case (let command?, _): command.joined(separator: " ")
        case (nil, _): "the application"
        }
    }
}

import ArgumentParser
import Mesh
import RegistryClient
import RegistryModel

@main
struct Trial: AsyncParsableCommand {
    @Option var service: String
    @Option var port: UInt16?
    @Option var id: String
    @Option var registry: String
    @Option var state: String
    @Option var inbound: UInt16 = 0
    @Option var outbound: Int = 0
    @Option var repeatable: [String] = []

    func run() async throws {
        var configuration = SidecarConfiguration(
            service: try ServiceName(service),
            instance: try InstanceID(id),
            registry: try RegistryAddress(registry),
            stateDirectory: state,
            runDirectory: state
        )
        configuration.applicationPort = port
        configuration.inboundPort = inbound
        configuration.outbound = .tcp(host: "127.0.0.1", port: outbound)
        configuration.repeatable = repeatable
        let sidecar = try await Sidecar.start(configuration) { print($0) }
        print("admin", sidecar.adminSocket)
        await sidecar.run()
    }
}

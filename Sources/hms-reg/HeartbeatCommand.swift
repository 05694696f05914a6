import ArgumentParser
import RegistryClient
import RegistryModel
import Terminal

struct HeartbeatCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "heartbeat",
        abstract: "Say that an instance is alive, or how it is.",
        discussion: """
            Without --status it says only that the instance is alive: a starting or silent one becomes healthy.

            EXAMPLES
              hms-reg heartbeat identity-check ws14-7001
              hms-reg heartbeat identity-check/ws14-7001 --status degraded --detail "queue is long"
            """
    )

    @OptionGroup var instance: InstanceArguments

    @Option(help: ArgumentHelp("starting, healthy, degraded or unhealthy.", valueName: "status"))
    var status: String?

    @Option(help: ArgumentHelp("Words on record beside a change, 256 bytes at most.", valueName: "text"))
    var detail: String?

    @OptionGroup var registry: RegistryOptions
    @OptionGroup var options: OutputOptions

    func run() async throws {
        let key = try instance.key()
        let health = try status.map { text -> Health in
            guard let health = Health(text), health != .draining else {
                throw CommandError(
                    "--status \(text) is none of starting, healthy, degraded, unhealthy",
                    exitCode: .usage
                )
            }
            return health
        }
        let answer = try await registry.withConnection {
            try await $0.heartbeat(key, status: health, detail: detail ?? "")
        }
        let output = options.output
        switch answer.result {
        case .accepted where options.json: output.write("{\"accepted\":true}\n")
        case .accepted: output.write("\(output.style.green(output.symbols.done)) \(key) beat\n")
        case .unknown, .superseded:
            throw CommandError(
                "\(key) is not registered",
                hint: "hms-reg lookup \(key.service) --all",
                exitCode: .notSo
            )
        }
    }
}

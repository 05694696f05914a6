import ArgumentParser
import RegistryClient
import Terminal

struct DrainCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "drain",
        abstract: "Take an instance out of use: it finishes what it has and gets nothing new.",
        discussion: """
            It stays draining until it registers again.

            EXAMPLES
              hms-reg drain identity-check ws14-7001
            """
    )

    @OptionGroup var instance: InstanceArguments
    @OptionGroup var registry: RegistryOptions
    @OptionGroup var options: OutputOptions

    func run() async throws {
        let key = try instance.key()
        let sequence = try await registry.withConnection { try await $0.drain(key) }
        let output = options.output
        if options.json {
            return output.write("{\"status\":\"draining\",\"sequence\":\(sequence)}\n")
        }
        output.write("\(output.style.green(output.symbols.done)) \(key) is draining\n")
    }
}

import ArgumentParser
import RegistryClient
import RegistryModel
import Terminal

struct RemoveCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "remove",
        abstract: "Deregister an instance, or a service with all of its instances.",
        discussion: """
            Asks before the last routable instance goes; without a terminal it then refuses, unless --yes is given. \
            An instance that is alive registers again by itself: to take it out of use, drain it.

            EXAMPLES
              hms-reg remove identity-check ws14-7001
              hms-reg remove legacy-agency-gov --yes
            """
    )

    @OptionGroup var instance: InstanceArguments

    @Flag(help: "Do not ask.")
    var yes = false

    @OptionGroup var registry: RegistryOptions
    @OptionGroup var options: OutputOptions

    func run() async throws {
        let (service, id) = try InstanceArguments.parts(instance.service, instance.id)
        let output = options.output
        let count = try await registry.withConnection { connection in
            try await confirm(service, id, connection, output)
            guard let id else { return try await connection.deregisterAll(of: service) }
            _ = try await connection.deregister(InstanceKey(service: service, id: id))
            return 1
        }
        if options.json { return output.write("{\"deregistered\":\(count)}\n") }
        let what = id.map { "\(service)/\($0)" } ?? "\(service) with \(HumanText.counted(count, "instance"))"
        output.write("\(output.style.green(output.symbols.done)) \(what) deregistered\n")
    }

    /// - Throws: exit code 1 where nobody said yes.
    private func confirm(
        _ service: ServiceName,
        _ id: InstanceID?,
        _ connection: RegistryConnection,
        _ output: Output
    ) async throws {
        guard !yes else { return }
        let routable = try await connection.lookup(service).instances.map(\.instance.key.id)
        let remaining = id.map { gone in routable.filter { $0 != gone } } ?? []
        guard !routable.isEmpty, remaining.isEmpty else { return }
        let subject = routable.count == 1 ? "the last routable instance" : "all \(routable.count) routable instances"
        guard Output.isInputTerminal else {
            throw CommandError(
                "this would take away \(subject) of \(service); nothing was changed",
                hint: "if that is meant: --yes",
                exitCode: .notSo
            )
        }
        guard output.confirms("this takes away \(subject) of \(service): calls to it will fail.") else {
            throw CommandError("nothing was changed", exitCode: .notSo)
        }
    }
}

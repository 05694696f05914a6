import ArgumentParser
import RegistryClient
import Terminal

struct StatusCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "status",
        abstract: "The registry's own condition: writes, reads, disk, guard, checkpoints, snapshots, shards.",
        discussion: """
            Rates are of the last minute. Ends with 1 while the mass expiry guard holds, the disk is full or the \
            registry is not ready.

              hms-reg status
              hms-reg status --json | jq .checkpoint
            """
    )

    @OptionGroup var registry: RegistryOptions
    @OptionGroup var options: OutputOptions

    func run() async throws {
        let output = options.output
        let (report, document, address) = try await registry.withConnection { connection in
            let answer = try await connection.statusDocument()
            return (try answer.statusReport(), answer.body, connection.address.description)
        }
        if options.json {
            output.write(document + [UInt8(ascii: "\n")])
        } else {
            let screen = StatusScreen(report: report, address: address, output: output)
            output.write(screen.facts)
            output.table(screen.shards)
        }
        if report.guardReport.isActive || report.isDiskFull || report.state != "ready" { throw ExitCode.notSo }
    }
}

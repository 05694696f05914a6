import ArgumentParser
import RegistryModel
import Terminal

@main
enum Main {
    static func main() async {
        await CommandLineProgram.run(
            MeshCommand.self,
            nearest: { NearestName.matches(for: $0, in: $1, limit: 1).first }
        )
    }
}

struct MeshCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "hms-mesh",
        abstract: "The sidecar, and the developer's tool around it.",
        discussion: """
            A folder with a hms.yml becomes a registered service with a certificate and a sidecar, which calls others by their \
            names over mutual TLS.

            EXAMPLES
              hms-mesh dev -- node server.js
              hms-mesh curl photo-validator /stress-test
              hms-mesh tail --service identity-check
              hms-mesh doctor

            EXIT CODES
              0 done · 1 not so · 2 wrong usage, bad hms.yml · 3 not reached · 4 not allowed; dev and run end as their command
            """,
        version: ProductVersion.current,
        subcommands: [
            DevCommand.self, RunCommand.self, CurlCommand.self, TailCommand.self, StatusCommand.self,
            DoctorCommand.self, WhyCommand.self, DashboardCommand.self,
        ]
    )
}

import ArgumentParser
import Terminal

@main
enum Main {
    static func main() async {
        await CommandLineProgram.run(MeshCommand.self)
    }
}

struct MeshCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "hms-mesh",
        abstract: "The sidecar, and the developer's tool around it.",
        version: ProductVersion.current,
        subcommands: [
            DevCommand.self, RunCommand.self, CurlCommand.self, TailCommand.self, StatusCommand.self,
            DoctorCommand.self, WhyCommand.self, DashboardCommand.self,
        ]
    )
}

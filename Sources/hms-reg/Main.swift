import ArgumentParser
import RegistryModel
import Terminal

@main
enum Main {
    static func main() async {
        await CommandLineProgram.run(
            RegistryCommand.self,
            sharedOptions: RegistryOptions.valueOptions,
            nearest: { NearestName.matches(for: $0, in: $1, limit: 1).first }
        )
    }
}

struct RegistryCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "hms-reg",
        abstract: "Look up, add, drain and watch what a registry knows.",
        discussion: """
            It finds the registry by --registry, else HMS_REGISTRY, else hms.yml's registry:, else the daemon's own socket on \
            this machine. \
            With --data it reads the data directory itself when no daemon answers there.

            EXAMPLES
              hms-reg list
              hms-reg lookup identity-check --all
              hms-reg add --external-url=https://legacy.agency.gov
              hms-reg add printer --address 10.1.3.4 --port 9100 --no-ttl
              hms-reg watch identity-check --json | jq .
              hms-reg --data ./data list

            EXIT CODES
              0 done · 1 not so (nothing found, guard on) · 2 wrong usage · 3 no registry reached · 4 not allowed
            """,
        version: ProductVersion.current,
        subcommands: [
            ListCommand.self, LookupCommand.self, StatusCommand.self, AddCommand.self, ImportCommand.self,
            RemoveCommand.self, HeartbeatCommand.self, DrainCommand.self, WatchCommand.self, PolicyCommand.self,
            GuardCommand.self, AuthorityCommand.self, KeysCommand.self, CertificateCommand.self, TokenCommand.self,
            LoginCommand.self,
            LogoutCommand.self, WhoAmICommand.self, CheckpointCommand.self, SnapshotCommand.self, HistoryCommand.self,
        ]
    )
}

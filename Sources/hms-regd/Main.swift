import ArgumentParser
import Glibc
import Identity
import Logging
import Registry
import RegistryAPI
import RegistryModel
import Supervision
import Terminal

@main
enum Main {
    static func main() async {
        await CommandLineProgram.run(RegistryDaemon.self)
    }
}

struct RegistryDaemon: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "hms-regd",
        abstract: "The service registry: an append-only log of everything that happens, and a view of it to look up.",
        discussion: """
            Prints one line when it is ready and serves until SIGTERM or Ctrl-C. Operators talk to it through its \
            socket, DATA/regd.sock, with hms-reg; services and people elsewhere through its TLS door, with \
            certificates that it issues.

            EXAMPLES
              hms-regd --data ./data
              hms-regd --data /var/lib/hms --listen 0.0.0.0:9000 --name reg.gov.local
              hms-regd --data /var/lib/hms --plain-listen 127.0.0.1:9001 --metrics-listen 0.0.0.0:9100
              hms-regd --config /etc/hms/regd.yml --check
              hms-regd --dev

            Every option can stand in the --config file under its long name (ttl: 30s) and in the environment \
            (HMS_REGD_TTL=30s). The command line goes before the environment, the environment before the file.
            """,
        version: ProductVersion.current
    )

    @OptionGroup var options: DaemonOptions

    func run() async throws {
        // What the daemon makes is its user's alone: sockets, too, from the moment they are bound.
        umask(0o077)
        let settings = try DaemonSettings(options)
        if options.check {
            print("\(Symbols.current.done) the configuration is good: data in \(settings.dataDirectory)")
            return
        }
        let logger = settings.logger()
        do {
            for directory in settings.directories { try PrivateFile.makeDirectory(directory) }
        } catch {
            throw CommandError(error.message, exitCode: .unreachable)
        }
        // A dev registry goes on for days: it must not hold the folder that it was first needed in.
        if settings.isDevelopment { chdir("/") }
        do {
            try await RegistryServer(settings.serverOptions(), logger: logger).run(
                ready: { Self.announce($0) },
                fatal: { Self.die($0, logger) }
            )
        } catch let error as RegistryError where error.code == .alreadyHeld && settings.isDevelopment {
            try await DevelopmentRegistry.nameTheOther(dataDirectory: settings.dataDirectory)
        } catch let error as RegistryError {
            throw CommandError(
                error.message,
                hint: error.hint,
                exitCode: error.code == .badRequest ? .usage : .unreachable
            )
        }
    }

    /// The one line that scripts wait for.
    private static func announce(_ ready: RegistryServer.Ready) {
        let address = ready.addresses.first ?? "unix:\(ready.dataDirectory)/regd.sock"
        print(
            "HMS-REG ready at \(address) (data \(ready.dataDirectory), sequence \(ready.sequence), "
                + "\(ready.instances) instances)"
        )
        fflush(nil)
    }

    /// After a failed sync nothing that this process holds can be trusted: it ends at once, without a clean mark.
    private static func die(_ error: RegistryError, _ logger: Logger) {
        logger.critical("\(error)")
        fflush(nil)
        _exit(ExitCode.unreachable.rawValue)
    }
}

import ArgumentParser
import Terminal

struct DoctorCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "doctor",
        abstract: "Say what is wrong, or will go wrong, and what to do about it.",
        discussion: """
            Looks at the registry and this machine's clock, the sidecar's certificate, the application's port, the services \
            that it calls, and the machine. Takes under 3 seconds and changes nothing. In a service's folder it is about that \
            service; elsewhere about any sidecar of yours; with --registry it needs neither.

              hms-mesh doctor
              hms-mesh doctor --registry https://reg.gov.local:9000
              hms-mesh doctor --strict --json      for scripts: ids in docs/doctor.md

            Exits with 1 where something is wrong, with --strict also where there is a warning.
            """
    )

    @Option(help: ArgumentHelp("The manifest (default: hms.yml here or above).", valueName: "path"))
    var file: String?

    @Option(
        name: .customLong("as"),
        help: ArgumentHelp("The service whose sidecar is looked at.", valueName: "service")
    )
    var service: String?

    @Option(help: ArgumentHelp("https://HOST:PORT or unix:PATH of the registry.", valueName: "address"))
    var registry: String?

    @Flag(help: "Warnings count as wrong.")
    var strict = false

    @OptionGroup var printing: OutputOptions

    func run() async throws {
        let output = printing.output
        let report = try await Examination.of(service: service, file: file, registry: registry).report()
        output.write(printing.json ? report.json() : report.rendered(output.style, output.symbols))
        if !report.isHealthy(strict: strict) { throw ExitCode.notSo }
    }
}

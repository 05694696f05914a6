import ArgumentParser
import RegistryClient
import RegistryModel
import Terminal

struct AuthorityCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "ca",
        abstract: "The registry's certificate authority.",
        subcommands: [Show.self],
        defaultSubcommand: Show.self
    )

    struct Show: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Its trust domain, root and issuer, or the bundle to believe.",
            discussion: """
                EXAMPLES
                  hms-reg ca show
                  hms-reg ca show --pem > bundle.pem
                """
        )

        @Flag(help: "Only the root certificates, as PEM.")
        var pem = false

        @OptionGroup var registry: RegistryOptions
        @OptionGroup var options: OutputOptions

        func run() async throws {
            let report = try await registry.withConnection { try await $0.authority() }
            let output = options.output
            if pem { return output.write(report.bundle) }
            if options.json { return output.write(Self.json(report)) }
            var table = Table([.init("TRUST DOMAIN \(report.trustDomain)"), .init("KEY"), .init("ENDS")])
            for certificate in [report.root, report.issuer] {
                table.append([
                    .init(certificate.subject), .init(certificate.keyHash, .dim),
                    .init(LocalTime.full(unixSeconds: Wording.unixSeconds(certificate.notAfter))),
                ])
            }
            output.table(table)
        }

        private static func json(_ report: AuthorityReport) -> String {
            var json = JSONWriter()
            json.beginObject()
            json.member("trust_domain", report.trustDomain)
            for (name, certificate) in [("root", report.root), ("issuer", report.issuer)] {
                json.key(name)
                json.beginObject()
                json.member("subject", certificate.subject)
                json.member("key_hash", certificate.keyHash)
                json.member("not_after", certificate.notAfter)
                json.endObject()
            }
            json.member("pem", report.bundle)
            json.endObject()
            return json.string + "\n"
        }
    }
}

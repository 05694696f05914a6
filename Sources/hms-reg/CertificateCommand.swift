import ArgumentParser
import Glibc
import Identity
import RegistryClient
import RegistryModel
import Terminal

struct CertificateCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "cert",
        abstract: "Certificates of services: issue, list, revoke.",
        discussion: """
            EXAMPLES
              hms-reg cert list
              hms-reg cert revoke --service photo-validator
            """,
        subcommands: [Issue.self, List.self, Revoke.self]
    )

    struct Issue: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Make a key here and have it signed for a service.",
            discussion: """
                Writes svid.key (mode 0600), svid.pem (certificate and issuer) and bundle.pem (whom to believe). The key \
                never leaves this machine. A certificate lives 24 hours.

                EXAMPLES
                  hms-reg cert issue photo-validator --out ./identity
                """
        )

        @Argument(help: "The service.")
        var service: String

        @Option(help: ArgumentHelp("Where to; made when missing.", valueName: "dir"))
        var out: String

        @OptionGroup var registry: RegistryOptions
        @OptionGroup var options: OutputOptions

        func run() async throws {
            let name = try checked { try ServiceName(service) }
            let key = WorkloadKey()
            let request: String
            do {
                request = try SVIDRequest.pem(signedBy: key)
            } catch {
                throw CommandError(error.message, exitCode: .notSo)
            }
            // Where nothing can be written nothing is issued.
            let folder = try IdentityFolder(out)
            let (issued, bundle) = try await registry.withConnection { connection in
                let bundle = try await connection.authority().bundle
                return (try await connection.issueCertificate(service: name, request: request), bundle)
            }
            try folder.write(key.pem, to: "svid.key")
            try folder.write(issued.certificate, to: "svid.pem")
            try folder.write(bundle, to: "bundle.pem")
            print(issued, to: options.output)
        }

        private func print(_ issued: IssuedCertificate, to output: Output) {
            if options.json {
                var json = JSONWriter()
                json.beginObject()
                json.member("serial", issued.serial)
                json.member("spiffe_id", issued.spiffeID)
                json.member("not_after", issued.notAfter)
                json.endObject()
                return output.write(json.string + "\n")
            }
            let end = LocalTime.full(unixSeconds: issued.notAfter.unixSeconds)
            output.write(
                "\(output.style.green(output.symbols.done)) \(issued.spiffeID) \(output.symbols.separator) ends \(end)\n"
            )
            output.note(output.errorStyle.dim("  serial \(issued.serial) \(output.symbols.separator) \(out)/svid.pem"))
        }
    }

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "What was issued and has not long ended.",
            discussion: """
                EXAMPLES
                  hms-reg cert list
                  hms-reg cert list --json | jq .
                """
        )

        @OptionGroup var registry: RegistryOptions
        @OptionGroup var options: OutputOptions

        func run() async throws {
            let entries = try await registry.withConnection { try await $0.certificates() }
            let output = options.output
            if options.json { return output.write(Self.json(entries)) }
            let now = WallClock.now()
            var table = Table([.init("IDENTITY"), .init("SERIAL"), .init("STATE"), .init("ENDS")])
            for entry in entries.sorted(by: { ($0.spiffeID, $0.notAfter) < ($1.spiffeID, $1.notAfter) }) {
                let state: Table.Cell =
                    entry.isRevoked
                    ? .init("revoked", .red) : entry.notAfter < now ? .init("ended", .dim) : .init("good", .green)
                table.append([
                    .init(entry.spiffeID), .init(entry.serial, .dim), state,
                    .init(LocalTime.full(unixSeconds: entry.notAfter.unixSeconds)),
                ])
            }
            output.table(table)
        }

        private static func json(_ entries: [CertificateEntry]) -> String {
            var json = JSONWriter()
            json.beginArray()
            for entry in entries {
                json.beginObject()
                json.member("serial", entry.serial)
                json.member("spiffe_id", entry.spiffeID)
                json.member("not_after", entry.notAfter)
                json.member("revoked", entry.isRevoked)
                json.endObject()
            }
            json.endArray()
            return json.string + "\n"
        }
    }

    struct Revoke: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Have nobody believe a certificate any more, or any of a service's until now.",
            discussion: """
                It reaches everybody who watches the registry at once, and stays on record.

                EXAMPLES
                  hms-reg cert revoke 5f3a91c27f3a91c27f3a91c27f3a91c2
                  hms-reg cert revoke --service photo-validator
                """
        )

        @Argument(help: ArgumentHelp("As hms-reg cert list shows it.", valueName: "serial"))
        var serial: String?

        @Option(
            help: ArgumentHelp("All certificates of this service that were issued until now.", valueName: "service")
        )
        var service: String?

        @OptionGroup var registry: RegistryOptions
        @OptionGroup var options: OutputOptions

        func validate() throws {
            guard (serial == nil) != (service == nil) else {
                throw ValidationError("Name a serial number, or --service.")
            }
        }

        func run() async throws {
            let name = try checked { try service.map { try ServiceName($0) } }
            try await registry.withConnection { connection in
                if let name {
                    try await connection.revokeCertificates(of: name)
                } else {
                    try await connection.revokeCertificate(serial: serial ?? "")
                }
            }
            let output = options.output
            if options.json { return output.write("{\"revoked\":true}\n") }
            let what = name.map { "every certificate of \($0) until now" } ?? "certificate \(serial ?? "")"
            output.write("\(output.style.green(output.symbols.done)) \(what) is revoked\n")
        }
    }
}

/// A directory for a key and its certificates, only its owner's.
private struct IdentityFolder {
    let path: String

    init(_ path: String) throws {
        self.path = path
        guard mkdir(path, 0o700) == 0 || errno == EEXIST, access(path, W_OK) == 0 else {
            throw CommandError("can't write in \(path): \(String(cString: strerror(errno)))", exitCode: .unreachable)
        }
    }

    func write(_ text: String, to name: String) throws {
        do {
            try PrivateFile.write(text, to: "\(path)/\(name)")
        } catch {
            throw CommandError(error.message, exitCode: .unreachable)
        }
    }
}

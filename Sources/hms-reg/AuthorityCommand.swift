import ArgumentParser
import RegistryClient
import RegistryModel
import Terminal

struct AuthorityCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "ca",
        abstract: "The registry's certificate authority.",
        discussion: """
            EXAMPLES
              hms-reg ca
              hms-reg ca rotate
            """,
        subcommands: [Show.self, Rotate.self, Install.self],
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
                    .init(LocalTime.full(unixSeconds: certificate.notAfter.unixSeconds)),
                ])
            }
            output.table(table)
            AuthorityCommand.note(report, output)
        }

        fileprivate static func json(_ report: AuthorityReport) -> String {
            var json = JSONWriter()
            json.beginObject()
            json.member("trust_domain", report.trustDomain)
            for (name, certificate) in [("root", report.root), ("issuer", report.issuer)] {
                json.key(name)
                write(certificate, to: &json)
            }
            json.member("issuer_renews_itself", report.issuerRenewsItself)
            if let rotation = report.rotation {
                json.key("rotation")
                json.beginObject()
                json.member("phase", rotation.phase)
                json.member("since", rotation.since)
                json.member("next_at", rotation.nextAt)
                json.key(rotation.phase == "overlap" ? "next" : "last")
                write(rotation.other, to: &json)
                json.endObject()
            }
            if !report.formerRoots.isEmpty {
                json.key("former")
                json.beginArray()
                for former in report.formerRoots {
                    json.beginObject()
                    json.member("key_hash", former.keyHash)
                    json.member("until", former.until)
                    json.member("pem", former.pem)
                    json.endObject()
                }
                json.endArray()
            }
            json.member("pem", report.bundle)
            json.endObject()
            return json.string + "\n"
        }

        private static func write(_ certificate: AuthorityReport.Certificate, to json: inout JSONWriter) {
            json.beginObject()
            json.member("subject", certificate.subject)
            json.member("key_hash", certificate.keyHash)
            json.member("not_after", certificate.notAfter)
            json.endObject()
        }
    }

    struct Rotate: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Hand over to a new root, with no call failing.",
            discussion: """
                Both roots are believed from now on, and every open watch is told. A day later the new one signs, and \
                sidecars renew; a day and an hour after that, when the last certificate of the old root has ended, the old \
                one is believed no more. The registry does all of it by itself: hms-reg ca show says what comes when.

                --finish ends the last phase at once where no certificate under the old root is in use any more.

                EXAMPLES
                  hms-reg ca rotate
                  hms-reg ca rotate --finish
                """
        )

        @Flag(help: "End the last phase early.")
        var finish = false

        @Flag(help: "Don't ask.")
        var yes = false

        @OptionGroup var registry: RegistryOptions
        @OptionGroup var options: OutputOptions

        func run() async throws {
            if !yes, !finish, Output.isInputTerminal, Output.isErrorTerminal {
                guard options.output.confirms("this begins to replace the root that everybody believes.") else {
                    throw CommandError("nothing was changed", exitCode: .notSo)
                }
            }
            let report = try await registry.withConnection { try await $0.rotateAuthority(finish: finish) }
            AuthorityCommand.say(report, options)
        }
    }

    struct Install: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Hand over to a root or an intermediate from elsewhere.",
            discussion: """
                Takes PEM files: a root and its key, or an intermediate, its key, and the root that signed it; the root's key \
                may then stay where it is. Another intermediate under the present root signs at once; another root is handed \
                over to as by hms-reg ca rotate. Only on the registry's machine, by its socket.

                EXAMPLES
                  hms-reg ca install intermediate.pem intermediate.key root.pem
                """
        )

        @Argument(help: ArgumentHelp("PEM of certificates and of one private key.", valueName: "file"))
        var files: [String]

        @OptionGroup var registry: RegistryOptions
        @OptionGroup var options: OutputOptions

        func run() async throws {
            let pem = try files.map { try TextFile.contents(of: $0) }.joined(separator: "\n")
            let report = try await registry.withConnection { try await $0.installAuthority(pem: pem) }
            AuthorityCommand.say(report, options)
        }
    }

    private static func say(_ report: AuthorityReport, _ options: OutputOptions) {
        let output = options.output
        guard !options.json else { return output.write(Show.json(report)) }
        let done = output.style.green(output.symbols.done)
        if report.rotation == nil {
            output.write("\(done) \(report.root.subject) \(report.root.keyHash) is the one root that is believed\n")
        } else {
            output.write("\(done) two roots are believed; every watch is told\n")
        }
        note(report, output)
    }

    /// What changes hands, and when.
    private static func note(_ report: AuthorityReport, _ output: Output) {
        if let rotation = report.rotation {
            let at = LocalTime.full(unixSeconds: rotation.nextAt.unixSeconds)
            let next =
                rotation.phase == "overlap"
                ? "\(rotation.other.keyHash) begins to sign" : "\(rotation.other.keyHash) is believed no more"
            output.note("rotation: \(rotation.phase) \(output.symbols.separator) at \(at) \(next)")
        }
        for former in report.formerRoots {
            let until = LocalTime.full(unixSeconds: former.until.unixSeconds)
            output.note("\(former.keyHash) is believed no more, and leads whoever knows it alone over until \(until)")
        }
        if !report.issuerRenewsItself {
            let end = LocalTime.full(unixSeconds: report.issuer.notAfter.unixSeconds)
            output.note(
                output.errorStyle.yellow(
                    "\(output.symbols.warning) the root's key is kept elsewhere: install another issuer before \(end)"
                )
            )
        }
    }
}

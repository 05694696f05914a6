import ArgumentParser
import RegistryClient
import RegistryModel
import Terminal

struct TokenCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "token",
        abstract: "Join tokens: what lets a service or a person on another machine get a first certificate.",
        discussion: """
            EXAMPLES
              hms-reg token create --service photo-validator
              hms-reg token list
            """,
        subcommands: [Create.self, List.self, Revoke.self]
    )

    struct Create: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Make a token. It is shown once; the registry keeps only a hash of it.",
            discussion: """
                EXAMPLES
                  hms-reg token create --service photo-validator
                  hms-reg token create --role auditor --expires-in 15m --from 10.1.0.0/16
                """
        )

        @Option(help: ArgumentHelp("For instances of this service.", valueName: "name"))
        var service: String?

        @Option(help: ArgumentHelp("For a person: auditor or operator.", valueName: "role"))
        var role: String?

        @Option(help: ArgumentHelp("1s to 30d.", valueName: "duration"))
        var expiresIn = DurationArgument(.seconds(3_600))

        @Option(help: ArgumentHelp("How often it may be used.", valueName: "count"))
        var uses: UInt64 = 1

        @Option(help: ArgumentHelp("Only from addresses inside this range.", valueName: "cidr"))
        var from = ""

        @OptionGroup var registry: RegistryOptions
        @OptionGroup var options: OutputOptions

        func validate() throws {
            guard (service == nil) != (role == nil) else { throw ValidationError("Give --service or --role.") }
            guard role.map({ PersonRole($0) != nil }) ?? true else {
                throw ValidationError("--role is auditor or operator.")
            }
        }

        func run() async throws {
            let subject: TokenRecord.Subject
            if let role = role.flatMap({ PersonRole($0) }) {
                subject = .person(role)
            } else {
                subject = .service(try checked { try ServiceName(service ?? "") })
            }
            let token = try await registry.withConnection { connection in
                try await connection.createToken(for: subject, life: expiresIn.duration, uses: uses, from: from)
            }
            let output = options.output
            if options.json {
                var json = JSONWriter()
                json.beginObject()
                json.member("token", token.text)
                json.member("id", token.id)
                json.member("address", token.address)
                json.member("expires", token.expires)
                json.endObject()
                return output.write(json.string + "\n")
            }
            output.write(token.text + "\n")
            let end = LocalTime.full(unixSeconds: token.expires.unixSeconds)
            let style = output.errorStyle
            output.note(style.dim("  id \(token.id) \(output.symbols.separator) for \(token.address), until \(end)"))
            let use =
                service.map { "HMS_TOKEN=… hms-mesh run   (on the machine of \($0))" } ?? "HMS_TOKEN=… hms-reg login"
            output.note("\(output.symbols.next) \(use)")
        }
    }

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Tokens that have not long ended.",
            discussion: """
                EXAMPLES
                  hms-reg token list
                """
        )

        @OptionGroup var registry: RegistryOptions
        @OptionGroup var options: OutputOptions

        func run() async throws {
            let tokens = try await registry.withConnection { try await $0.tokens() }
            let output = options.output
            if options.json { return output.write(Self.json(tokens)) }
            let now = WallClock.now()
            var table = Table([
                .init("TOKEN"), .init("FOR"), .init("USED"), .init("FROM"), .init("STATE"), .init("ENDS"),
            ])
            for token in tokens.sorted(by: { $0.expires < $1.expires }) {
                table.append([
                    .init(token.id, .dim), .init(token.isPersons ? "a person (\(token.subject))" : token.subject),
                    .init("\(token.used) of \(token.uses)"), .init(token.from.isEmpty ? "-" : token.from),
                    Self.state(of: token, now),
                    .init(LocalTime.full(unixSeconds: token.expires.unixSeconds)),
                ])
            }
            output.table(table)
        }

        private static func state(of token: TokenEntry, _ now: Timestamp) -> Table.Cell {
            if token.isRevoked { return .init("revoked", .red) }
            if token.expires < now { return .init("ended", .dim) }
            return token.used < token.uses ? .init("good", .green) : .init("used up", .dim)
        }

        private static func json(_ tokens: [TokenEntry]) -> String {
            var json = JSONWriter()
            json.beginArray()
            for token in tokens {
                json.beginObject()
                json.member("id", token.id)
                json.member(token.isPersons ? "role" : "service", token.subject)
                json.member("uses", token.uses)
                json.member("used", token.used)
                json.member("from", token.from)
                json.member("expires", token.expires)
                json.member("revoked", token.isRevoked)
                json.endObject()
            }
            json.endArray()
            return json.string + "\n"
        }
    }

    struct Revoke: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Let nobody use a token any more. Certificates that it got stay good: hms-reg cert revoke.",
            discussion: """
                Its id is what hms-reg token list shows.

                EXAMPLES
                  hms-reg token revoke 5f3a91c27f3a91c2
                """
        )

        @Argument(help: ArgumentHelp("As hms-reg token list shows it.", valueName: "token"))
        var id: String

        @OptionGroup var registry: RegistryOptions
        @OptionGroup var options: OutputOptions

        func run() async throws {
            try await registry.withConnection { try await $0.revokeToken(id) }
            let output = options.output
            if options.json { return output.write("{\"revoked\":true}\n") }
            output.write("\(output.style.green(output.symbols.done)) token \(id) is revoked\n")
        }
    }
}

import ArgumentParser
import Glibc
import Identity
import RegistryClient
import RegistryModel
import Terminal

struct LoginCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "login",
        abstract: "Get a certificate for yourself by a join token, and keep it with the registry's root.",
        discussion: """
            The token comes from HMS_TOKEN or --token-file, never from an argument. The registry must prove that it holds \
            the key that the token names. With --ca and without a token only the root is kept: enough to ask for a \
            certificate, not to look anything up.

            EXAMPLES
              HMS_TOKEN=hms1.… hms-reg login
              hms-reg login --token-file token
            """
    )

    @Option(help: ArgumentHelp("File that holds the token; - for standard input.", valueName: "file"))
    var tokenFile: String?

    @Option(
        name: .customLong("as"),
        help: ArgumentHelp("Your name there (default: your login here).", valueName: "login")
    )
    var name: String?

    @OptionGroup var registry: RegistryOptions
    @OptionGroup var options: OutputOptions

    func run() async throws {
        let output = options.output
        guard let token = try token() else { return try await keepRoot(output) }
        let address = try registry.isNamed ? registry.address() : checked { try RegistryAddress(token.address) }
        let login = try checked { try Login(name ?? Self.loginName) }
        let credentials: RegistryCredentials
        do {
            credentials = try await RegistryCredentials.joined(by: token, as: .user(login), at: address)
            try IdentityStore(for: address, environment: Environment.variable).store(credentials)
        } catch let error as RegistryClientError {
            throw CommandError(error, isData: false)
        } catch let error as IdentityError {
            throw CommandError(error.message, exitCode: .notSo)
        }
        guard let svid = credentials.identity?.svid else { return }
        if options.json { return output.write("{\"spiffe_id\":\"\(svid.id)\",\"registry\":\"\(address)\"}\n") }
        let end = LocalTime.full(unixSeconds: svid.notAfter.unixSeconds)
        output.write("\(output.style.green(output.symbols.done)) \(svid.id) at \(address.authority)\n")
        output.note(output.errorStyle.dim("  renewed by itself while it is used; ends \(end) else"))
        output.note("\(output.symbols.next) hms-reg --registry \(address) list")
    }

    /// Pins the root that `--ca` names, once the registry has shown that it is of it.
    private func keepRoot(_ output: Output) async throws {
        let address = try registry.address()
        guard registry.ca != nil, address.isTLS, let credentials = try registry.credentials(for: address) else {
            throw CommandError(
                "There is no token to log in with",
                hint: "HMS_TOKEN=hms1.… hms-reg login     an operator makes one: hms-reg token create --role auditor",
                exitCode: .usage
            )
        }
        try await registry.withConnection { _ = try await $0.authority() }
        do {
            try IdentityStore(for: address, environment: Environment.variable).store(credentials)
        } catch {
            throw CommandError(error.message, exitCode: .unreachable)
        }
        output.write("\(output.style.green(output.symbols.done)) the root of \(address.authority) is pinned\n")
    }

    private func token() throws -> JoinToken? {
        let text: String
        if let tokenFile {
            text = try TextFile.contents(of: tokenFile)
        } else if let variable = Environment.variable("HMS_TOKEN"), !variable.isEmpty {
            text = variable
        } else {
            return nil
        }
        return try checked { try JoinToken(String(text.drop(while: \.isWhitespace).prefix { !$0.isWhitespace })) }
    }

    private static var loginName: String {
        getpwuid(geteuid()).map { String(cString: $0.pointee.pw_name) } ?? "user"
    }
}

struct LogoutCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "logout",
        abstract: "Forget your certificate and the registry's root. The certificate itself ends within a day.",
        discussion: """
            EXAMPLES
              hms-reg logout --registry https://reg.gov.local:9000
            """
    )

    @OptionGroup var registry: RegistryOptions
    @OptionGroup var options: OutputOptions

    func run() async throws {
        let address = try registry.address()
        let output = options.output
        guard IdentityStore(for: address, environment: Environment.variable).remove() else {
            throw CommandError("Nobody is logged in at \(address.authority)", exitCode: .notSo)
        }
        if options.json { return output.write("{\"registry\":\"\(address)\"}\n") }
        output.write("\(output.style.green(output.symbols.done)) logged out of \(address.authority)\n")
    }
}

struct WhoAmICommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "whoami",
        abstract: "Who the registry takes you for, and what you may do.",
        discussion: """
            EXAMPLES
              hms-reg whoami
            """
    )

    @OptionGroup var registry: RegistryOptions
    @OptionGroup var options: OutputOptions

    func run() async throws {
        let own = try await registry.withConnection { try await $0.whoAmI() }
        let output = options.output
        if options.json {
            var json = JSONWriter()
            json.beginObject()
            json.member("role", own.role)
            if let id = own.spiffeID { json.member("spiffe_id", id) }
            if let serial = own.serial { json.member("serial", serial) }
            if let end = own.notAfter { json.member("not_after", end) }
            if let uid = own.uid { json.member("uid", uid) }
            json.endObject()
            return output.write(json.string + "\n")
        }
        let name = own.spiffeID ?? own.uid.map { "uid \($0) of this machine" } ?? "nobody"
        output.write("\(name) \(output.symbols.separator) \(Self.rights(of: own.role))\n")
        if let end = own.notAfter {
            output.note(output.errorStyle.dim("  ends \(LocalTime.full(unixSeconds: end.unixSeconds))"))
        }
    }

    private static func rights(of role: String) -> String {
        switch role {
        case "operator": "operator: everything"
        case "auditor": "auditor: reads everything, changes nothing"
        case "workload": "service: looks up, watches, and keeps its own instances"
        case "user": "looks up and watches"
        default: "may read the trust bundle and join with a token"
        }
    }
}

import ArgumentParser
import RegistryClient
import RegistryModel
import Replay
import Terminal

struct PolicyCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "policy",
        abstract: "Rules for calls to a service and for how long its instances may be silent.",
        discussion: """
            EXAMPLES
              hms-reg policy get identity-check
              hms-reg policy set identity-check --retries 2 --timeout 800ms
            """,
        subcommands: [Get.self, Set.self, Remove.self]
    )

    struct Get: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Show a service's policy.",
            discussion: """
                EXAMPLES
                  hms-reg policy get identity-check
                """
        )

        @Argument(help: "The service.")
        var service: String

        @OptionGroup var registry: RegistryOptions
        @OptionGroup var options: OutputOptions

        func run() async throws {
            let name = try checked { try ServiceName(service) }
            let policy = try await registry.withConnection { try await $0.policy(of: name) }
            PolicyCommand.show(policy, of: name, options)
        }
    }

    struct Set: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Set some of a service's rules; the others stay.",
            discussion: """
                EXAMPLES
                  hms-reg policy set identity-check --retries 2 --timeout 800ms
                  hms-reg policy set passport-printer --ttl 2m --deregister-after 1h
                  hms-reg policy set passport-printer --ttl 15s --rehearse
                """
        )

        @Argument(help: "The service; it need not be registered yet.")
        var service: String

        @Option(help: ArgumentHelp("More tries after the first, 0 to 10.", valueName: "count"))
        var retries: UInt32?

        @Option(help: ArgumentHelp("Of a call, all tries together.", valueName: "duration"))
        var timeout: DurationArgument?

        @Option(help: ArgumentHelp("Of one try.", valueName: "duration"))
        var perTryTimeout: DurationArgument?

        @Option(help: ArgumentHelp("How long an instance may be silent.", valueName: "duration"))
        var ttl: DurationArgument?

        @Option(help: ArgumentHelp("How long a silent one stays registered.", valueName: "duration"))
        var deregisterAfter: DurationArgument?

        @Flag(
            help: ArgumentHelp(
                "First show how the last day would have gone by it, and ask on a terminal.",
                discussion: "Reads the registry's own files, so it runs where they are."
            )
        )
        var rehearse = false

        @Flag(help: "Do not ask.")
        var yes = false

        @OptionGroup var registry: RegistryOptions
        @OptionGroup var options: OutputOptions

        func validate() throws {
            guard !rehearse || ttl != nil || deregisterAfter != nil else {
                throw ValidationError("--rehearse runs heartbeats again: say --ttl or --deregister-after")
            }
            let isEmpty =
                retries == nil && timeout == nil && perTryTimeout == nil && ttl == nil && deregisterAfter == nil
            guard !isEmpty else { throw ValidationError("Name at least one rule to set.") }
        }

        func run() async throws {
            let name = try checked { try ServiceName(service) }
            if rehearse { try await PolicyRehearsal(name, change, isAgreed: yes).run(registry, options) }
            let policy = try await registry.withConnection { connection in
                var policy = try await current(name, connection)
                if let retries { policy.retries = retries }
                if let timeout { policy.timeoutMilliseconds = timeout.milliseconds }
                if let perTryTimeout { policy.perTryTimeoutMilliseconds = perTryTimeout.milliseconds }
                if let ttl { policy.ttlMilliseconds = ttl.milliseconds }
                if let deregisterAfter { policy.deregisterAfterMilliseconds = deregisterAfter.milliseconds }
                try await connection.setPolicy(policy, of: name)
                return policy
            }
            PolicyCommand.show(policy, of: name, options)
        }

        /// What of it decides about silence.
        private var change: MeshPolicy {
            MeshPolicy(
                ttlMilliseconds: ttl?.milliseconds,
                deregisterAfterMilliseconds: deregisterAfter?.milliseconds
            )
        }

        /// A policy may come before its service.
        private func current(
            _ name: ServiceName,
            _ connection: RegistryConnection
        ) async throws(RegistryClientError) -> MeshPolicy {
            do {
                return try await connection.policy(of: name) ?? MeshPolicy()
            } catch {
                guard error.code == .unknownService else { throw error }
                return MeshPolicy()
            }
        }
    }

    struct Remove: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Leave a service to the rules that are built in.",
            discussion: """
                EXAMPLES
                  hms-reg policy remove identity-check
                """
        )

        @Argument(help: "The service.")
        var service: String

        @OptionGroup var registry: RegistryOptions
        @OptionGroup var options: OutputOptions

        func run() async throws {
            let name = try checked { try ServiceName(service) }
            try await registry.withConnection { try await $0.removePolicy(of: name) }
            PolicyCommand.show(nil, of: name, options)
        }
    }

    private static func show(_ policy: MeshPolicy?, of name: ServiceName, _ options: OutputOptions) {
        let output = options.output
        if options.json {
            var json = JSONWriter()
            json.beginObject()
            json.member("service", name.description)
            json.key("policy")
            if let policy { policy.write(to: &json) } else { json.writeNull() }
            json.endObject()
            return output.write(json.string + "\n")
        }
        guard let policy else { return output.write("\(name) has no policy of its own\n") }
        func duration(_ milliseconds: UInt64?) -> String? {
            milliseconds.map { HumanText.duration(milliseconds: Double($0)) }
        }
        let rules = [
            ("retries", policy.retries.map { String($0) }), ("timeout", duration(policy.timeoutMilliseconds)),
            ("per-try-timeout", duration(policy.perTryTimeoutMilliseconds)), ("ttl", duration(policy.ttlMilliseconds)),
            ("deregister-after", duration(policy.deregisterAfterMilliseconds)),
        ]
        var table = Table([.init("RULE"), .init("OF \(name.description.uppercased())")])
        for (rule, value) in rules { table.append([.init(rule), value.map { .init($0) } ?? .init("built in", .dim)]) }
        output.table(table)
    }
}

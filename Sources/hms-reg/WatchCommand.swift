import ArgumentParser
import RegistryClient
import RegistryModel
import Terminal

struct WatchCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "watch",
        abstract: "Follow services: their state now, then every change as it happens.",
        discussion: """
            Goes on by itself after the registry was restarted, without losing or repeating anything. Ctrl-C ends it.

            EXAMPLES
              hms-reg watch
              hms-reg watch identity-check payment-gateway
              hms-reg watch --json | jq 'select(.event == "upsert")'
            """
    )

    @Argument(help: "The services; none: all.")
    var services: [String] = []

    @OptionGroup var registry: RegistryOptions
    @OptionGroup var options: OutputOptions

    func run() async throws {
        let names = try checked { try services.map { try ServiceName($0) } }
        let output = options.output
        let address = try registry.address()
        // Nobody there at the start is an error; later it is waited for.
        try await registry.withConnection { _ in }
        do {
            let stream = WatchStream(
                address: address,
                credentials: { try? registry.credentials(for: address) },
                services: names
            )
            try await stream.run(
                onConnection: { connection in
                    guard case .lost(let error) = connection else { return }
                    output.note(
                        output.errorStyle.yellow(output.symbols.warning) + " \(error.message); trying again"
                    )
                },
                onMessage: { message, document in
                    output.write(options.json ? Self.json(message, document) : Self.lines(of: message, output))
                }
            )
        } catch let error as RegistryClientError {
            throw CommandError(error, isData: registry.data != nil)
        }
    }

    /// The document with the event's name in front, on one line.
    private static func json(_ message: WatchMessage, _ document: [UInt8]) -> String {
        let name: String
        switch message {
        case .reset: name = "reset"
        case .bundle: name = "bundle"
        case .denied: name = "denied"
        case .service: name = "service"
        case .upsert: name = "upsert"
        case .remove: name = "remove"
        case .policy: name = "policy"
        }
        let rest = String(decoding: document.dropFirst(), as: UTF8.self)
        return "{\"event\":\"\(name)\"" + (rest == "}" ? "" : ",") + rest + "\n"
    }

    private static func lines(of message: WatchMessage, _ output: Output) -> String {
        let style = output.style
        let now = style.dim(LocalTime.clock(unixSeconds: WallClock.now().unixSeconds))
        switch message {
        case .reset: return "\(now) the registry has another history: everything follows anew\n"
        case .bundle: return ""
        case .denied(let serials, let services):
            guard !serials.isEmpty || !services.isEmpty else { return "" }
            let parts = [
                serials.isEmpty ? nil : HumanText.counted(UInt64(serials.count), "certificate"),
                services.isEmpty
                    ? nil : "all older ones of \(services.keys.sorted().map(\.description).joined(separator: ", "))",
            ]
            return "\(now) revoked: \(parts.compactMap { $0 }.joined(separator: ", "))\n"
        case .service(let name, let instances, let policy, let isKnown):
            let count = HumanText.counted(UInt64(instances.count), "instance")
            guard isKnown else { return "\(now) \(style.bold(name.description)) not registered\n" }
            let rules = policy == nil ? "" : " \(output.symbols.separator) with a policy"
            return "\(now) \(style.bold(name.description)) \(count)\(rules)\n"
                + instances.map { "         \(line(of: $0, style))\n" }.joined()
        case .upsert(let instance): return "\(now) \(line(of: instance, style))\n"
        case .remove(let key): return "\(now) \(key) \(style.red("deregistered"))\n"
        case .policy(let name, let policy): return "\(now) \(name) policy \(policy == nil ? "removed" : "set")\n"
        }
    }

    private static func line(of found: RegisteredInstance, _ style: Style) -> String {
        let health = style.paint(found.health.description, Wording.color(of: found.health))
        let detail = found.detail.isEmpty ? "" : ": \(found.detail)"
        return "\(found.instance.key) \(found.instance.endpoint) \(health) "
            + style.dim("(\(found.cause)\(detail), \(found.sequence))")
    }
}

import ArgumentParser
import RegistryClient
import RegistryModel
import Terminal

struct AddCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "add",
        abstract: "Register an external service by its URL, or an instance by hand.",
        discussion: """
            An external service is probed by the registry itself, every 10 s. An instance must beat (hms-reg \
            heartbeat), or be added with --no-ttl, for what never tells that it is alive.

            EXAMPLES
              hms-reg add --external-url=https://legacy.agency.gov      (its name: legacy-agency-gov)
              hms-reg add ledger --external-url https://ledger.agency.gov/health
              hms-reg add printer --address 10.1.3.4 --port 9100 --no-ttl
              hms-reg add identity-check --address 10.1.3.4 --port 17001 --id ws14-7001 --version 2.3.1 \\
                  --tag blue --meta rack=7 --zone a --ttl 15s
            """
    )

    @Argument(help: "The service; of an external one by default its host's name, with - for dots.")
    var name: String?

    @Option(help: ArgumentHelp("An external service: http:// or https://.", valueName: "url"))
    var externalURL: String?

    @Option(help: ArgumentHelp("Where callers dial it.", valueName: "ip"))
    var address: String?

    @Option(help: ArgumentHelp("1 to 65535.", valueName: "port"))
    var port: UInt16?

    @Option(help: ArgumentHelp("Tells it from its siblings (default: address-port).", valueName: "id"))
    var id: String?

    @Option(help: ArgumentHelp("Its version.", valueName: "version"))
    var version: String?

    @Option(help: ArgumentHelp("May be given several times.", valueName: "tag"))
    var tag: [String] = []

    @Option(help: ArgumentHelp("May be given several times.", valueName: "key=value"))
    var meta: [String] = []

    @Option(help: ArgumentHelp("Where it stands.", valueName: "zone"))
    var zone: String?

    @Option(help: ArgumentHelp("Its share of requests, 0 to 10000 (default: 100); 0: none.", valueName: "weight"))
    var weight: UInt32?

    @Option(help: ArgumentHelp("How long it may be silent (default: the service's, or 30s).", valueName: "duration"))
    var ttl: DurationArgument?

    @Flag(name: .customLong("no-ttl"), help: "It never expires by silence, and counts as healthy from now on.")
    var noTTL = false

    @OptionGroup var registry: RegistryOptions
    @OptionGroup var options: OutputOptions

    func validate() throws {
        let isInstance = address != nil || port != nil
        guard isInstance != (externalURL != nil) else {
            throw ValidationError("Give --external-url URL, or NAME with --address and --port.")
        }
        guard externalURL != nil || (name != nil && address != nil && port != nil) else {
            throw ValidationError("An instance needs NAME, --address and --port.")
        }
        guard ttl == nil || !noTTL else { throw ValidationError("--ttl and --no-ttl contradict each other.") }
    }

    func run() async throws {
        if let externalURL {
            try await addExternal(externalURL)
        } else {
            try await addInstance(try registration())
        }
    }

    private func addExternal(_ url: String) async throws {
        let (key, isNew) = try await registry.withConnection { try await $0.addExternal(name: name, url: url) }
        let output = options.output
        if options.json {
            var json = JSONWriter()
            json.beginObject()
            json.member("service", key.service.description)
            json.member("id", key.id.description)
            json.member("url", url)
            json.member("new", isNew)
            json.endObject()
            return output.write(json.string + "\n")
        }
        let done = output.style.green(output.symbols.done)
        output.write(
            "\(done) \(key.service) \(isNew ? "is" : "was already") \(url) \(output.symbols.separator) probed every 10s\n"
        )
        output.note("\(output.symbols.next) hms-reg lookup \(key.service) --all")
    }

    private func addInstance(_ registration: Registration) async throws {
        let result = try await registry.withConnection { try await $0.register(registration) }
        let key = registration.instance.key
        let output = options.output
        if options.json {
            var json = JSONWriter()
            json.beginObject()
            json.member("service", key.service.description)
            json.member("id", key.id.description)
            json.member("result", result.result)
            json.member("status", result.health)
            json.member("handle", result.handle.rawValue)
            json.key("ttl_ms")
            if let ttl = result.ttl { json.write(ttl.milliseconds) } else { json.writeNull() }
            json.member("sequence", result.sequence.rawValue)
            json.endObject()
            return output.write(json.string + "\n")
        }
        let ttl = result.ttl.map { HumanText.duration(milliseconds: Double($0.milliseconds)) }
        let facts = [
            "\(key) \(result.result)", registration.instance.endpoint.description, result.health,
            ttl.map { "ttl \($0)" } ?? "never expires",
        ]
        output.write(
            output.style.green(output.symbols.done) + " "
                + facts.joined(separator: " \(output.symbols.separator) ") + "\n"
        )
        if let ttl { output.note("\(output.symbols.next) it must beat within \(ttl): hms-reg heartbeat \(key)") }
    }

    private func registration() throws -> Registration {
        try checked {
            let host = address ?? ""
            let endpoint = try Endpoint(host: host, port: port ?? 0)
            let service = try ServiceName(name ?? "")
            let id = try InstanceID(id ?? "\(host)-\(endpoint.port)")
            var instance = Instance(key: InstanceKey(service: service, id: id), endpoint: endpoint)
            instance.version = version ?? ""
            instance.zone = zone ?? ""
            instance.tags = tag
            instance.metadata = try meta.map(Self.entry).sorted { $0.key < $1.key }
            if let weight { instance.weight = weight }
            if let ttl { instance.lease = .ttl(milliseconds: ttl.milliseconds) }
            if noTTL { instance.lease = .permanent }
            return Registration(instance: instance, health: noTTL ? .healthy : .starting)
        }
    }

    private static func entry(_ text: String) throws -> MetadataEntry {
        let parts = text.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
        guard parts.count == 2, !parts[0].isEmpty else {
            throw CommandError("--meta \(text) is no key=value", exitCode: .usage)
        }
        return MetadataEntry(key: String(parts[0]), value: String(parts[1]))
    }
}

import RegistryModel
import Yams

/// Turns the text of an `hms.yml` into a ``Manifest``, or into everything that is wrong with it.
struct ManifestParser {
    private static let fileKeys = ["service", "registry", "mesh"]
    private static let serviceKeys = [
        "name", "version", "port", "command", "health", "protocol", "repeatable", "exposed", "proxyEnv", "tags", "zone",
        "weight", "metadata",
    ]
    private static let ruleKeys = ["retries", "timeout", "perTryTimeout"]
    private static let meshKeys = ruleKeys + ["mtls", "upstreams", "allow", "egress", "inbound", "log"]
    private static let logKeys = ["path"]

    private static let listLimit = 1_024
    private static let commandBytes = 8_192

    private var reader: ManifestReader
    private let root: Node

    init(_ source: ManifestSource) throws(ManifestError) {
        reader = ManifestReader(source)
        root = try source.root()
    }

    /// - Throws: `invalid`, with all that was found, in the order of the file.
    mutating func manifest() throws(ManifestError) -> Manifest {
        let manifest = read()
        let found = reader.diagnostics.sorted {
            ($0.place?.line ?? 0, $0.place?.column ?? 0) < ($1.place?.line ?? 0, $1.place?.column ?? 0)
        }
        guard let manifest, found.isEmpty else { throw ManifestError(.invalid, file: reader.source.file, found) }
        return manifest
    }

    private mutating func read() -> Manifest? {
        let block = reader.block("", root, at: root.position ?? .start, keys: Self.fileKeys) { key in
            // What belongs a level deeper.
            if Self.serviceKeys.contains(key) { return "service.\(key)" }
            return Self.meshKeys.contains(key) ? "mesh.\(key)" : nil
        }
        guard let block else { return nil }
        var mesh = Manifest.Mesh()
        if let entry = block.entries["mesh"] { mesh = readMesh(entry) }
        let registry = registry(block)
        guard let entry = block.entries["service"] else {
            reader.note("service is missing", block.mark, length: 1, hint: "service: { name: NAME, port: PORT }")
            return nil
        }
        guard let service = readService(entry) else { return nil }
        return Manifest(service: service, registry: registry, mesh: mesh, file: reader.source.file)
    }

    private mutating func registry(_ block: ManifestBlock) -> String? {
        guard let entry = block.entries["registry"], let text = reader.text("registry", in: block, upTo: 512) else {
            return nil
        }
        let isTCP = text.hasPrefix("https://") || text.hasPrefix("http://")
        guard isTCP && text.utf8.count > 8 || text.hasPrefix("unix:") && text.utf8.count > 5 else {
            reader.noteValue(
                "registry",
                entry,
                "is no address",
                note: "such as https://reg.gov.local:9000 or unix:PATH"
            )
            return nil
        }
        return text
    }

    // MARK: service:

    private mutating func readService(_ entry: ManifestBlock.Entry) -> Manifest.Service? {
        let block = reader.block("service", entry.value, at: entry.keyMark, keys: Self.serviceKeys) { key in
            Self.meshKeys.contains(key) ? "mesh.\(key)" : nil
        }
        guard let block else { return nil }
        let name = serviceName(block)
        let port = reader.integer("port", in: block, 1...65_535)
        for key in ["name", "port"] where block.entries[key] == nil {
            let example = key == "name" ? "name: photo-validator" : "port: 7000"
            reader.note("service.\(key) is missing", entry.keyMark, length: 7, hint: example)
        }
        let version = reader.text("version", in: block)
        let command = command(block)
        let health = health(block)
        let applicationProtocol = reader.choice("protocol", in: block, Manifest.ApplicationProtocol.self)
        let repeatable = reader.list("repeatable", in: block, upTo: Instance.Limits.repeatableRoutes, Self.route)
        let isExposed = reader.boolean("exposed", in: block)
        let setsProxyEnvironment = reader.boolean("proxyEnv", in: block)
        let tags = reader.list("tags", in: block, upTo: Instance.Limits.tags) { _, text, _ in text }
        let zone = reader.text("zone", in: block)
        let weight = reader.integer("weight", in: block, 0...Int(Instance.Limits.weight))
        let metadata = metadata(block)
        guard let name, let port else { return nil }
        var service = Manifest.Service(name: name, port: UInt16(port))
        service.version = version ?? ""
        service.command = command
        service.health = health
        service.applicationProtocol = applicationProtocol ?? .http1
        service.repeatable = repeatable ?? []
        service.isExposed = isExposed ?? false
        service.setsProxyEnvironment = setsProxyEnvironment ?? false
        service.tags = tags ?? []
        service.zone = zone ?? ""
        service.weight = weight.map { UInt32($0) } ?? Instance.defaultWeight
        service.metadata = metadata
        return service
    }

    private mutating func serviceName(_ block: ManifestBlock) -> ServiceName? {
        guard let entry = block.entries["name"], let text = reader.text("name", in: block) else { return nil }
        return reader.checked("service.name", entry) { () throws(RegistryModelError) in try ServiceName(text) }
    }

    /// A line for the shell, or a list of words.
    private mutating func command(_ block: ManifestBlock) -> Manifest.Command? {
        guard let entry = block.entries["command"] else { return nil }
        if case .sequence(let words) = entry.value {
            guard words.count > 0 else {
                reader.noteValue("service.command", entry, "has no words")
                return nil
            }
            return reader.list("command", in: block, upTo: Self.listLimit) { _, text, _ in text }
                .map { .arguments($0) }
        }
        guard case .scalar(let scalar) = entry.value, !scalar.string.isEmpty else {
            reader.noteValue("service.command", entry, "is neither a command line nor a list of words")
            return nil
        }
        guard scalar.string.utf8.count <= Self.commandBytes else {
            reader.noteValue("service.command", entry, "is over \(Self.commandBytes) bytes")
            return nil
        }
        return .shell(scalar.string)
    }

    private mutating func health(_ block: ManifestBlock) -> String? {
        guard let entry = block.entries["health"], let path = reader.text("health", in: block, upTo: 1_024) else {
            return nil
        }
        guard path.hasPrefix("/"), path.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F }) else {
            reader.noteValue("service.health", entry, "is no path", note: "such as /healthz")
            return nil
        }
        return path
    }

    /// `POST /validate`
    private static func route(
        _ reader: inout ManifestReader,
        _ text: String,
        _ entry: ManifestBlock.Entry
    ) -> String? {
        let parts = text.split(separator: " ", omittingEmptySubsequences: false)
        let isMethod = parts[0].utf8.allSatisfy { (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains($0) }
        guard parts.count == 2, !parts[0].isEmpty, isMethod, parts[1].hasPrefix("/") else {
            reader.noteValue("service.repeatable", entry, "takes METHOD /path", note: "such as POST /validate")
            return nil
        }
        return text
    }

    private mutating func metadata(_ block: ManifestBlock) -> [MetadataEntry] {
        var found: [MetadataEntry] = []
        for (key, entry) in reader.freeEntries("metadata", in: block) {
            guard !key.isEmpty, key.isPrintable else {
                reader.noteValue("service.metadata", entry, "has a key that is empty or not printable")
                continue
            }
            let value = reader.text("service.metadata.\(key)", entry, upTo: Instance.Limits.metadataBytes)
            if let value { found.append(MetadataEntry(key: key, value: value)) }
        }
        let bytes = found.reduce(0) { $0 + $1.key.utf8.count + $1.value.utf8.count }
        if bytes > Instance.Limits.metadataBytes, let entry = block.entries["metadata"] {
            reader.noteValue("service.metadata", entry, "is over \(Instance.Limits.metadataBytes) bytes")
        }
        return found.sorted { $0.key < $1.key }
    }

    // MARK: mesh:

    private mutating func readMesh(_ entry: ManifestBlock.Entry) -> Manifest.Mesh {
        var mesh = Manifest.Mesh()
        let block = reader.block("mesh", entry.value, at: entry.keyMark, keys: Self.meshKeys) { key in
            Self.serviceKeys.contains(key) ? "service.\(key)" : nil
        }
        guard let block else { return mesh }
        mesh.rules = rules(block)
        mesh.usesMutualTLS = reader.boolean("mtls", in: block) ?? true
        mesh.upstreams = upstreams(block)
        mesh.allow = allowedCallers(block)
        mesh.egress = reader.list("egress", in: block, upTo: Self.listLimit, Self.egressHost)
        mesh.inbound = inbound(block)
        if let entry = block.entries["log"] {
            let log = reader.block("mesh.log", entry.value, at: entry.keyMark, keys: Self.logKeys)
            mesh.loggedPath = log.flatMap { reader.choice("path", in: $0, Manifest.LoggedPath.self) } ?? .masked
        }
        return mesh
    }

    private mutating func rules(_ block: ManifestBlock) -> Manifest.CallRules {
        let bounds = MeshPolicy.Limits.timeoutMilliseconds
        let rules = Manifest.CallRules(
            retries: reader.integer("retries", in: block, 0...Int(MeshPolicy.Limits.retries)),
            timeout: reader.duration("timeout", in: block, milliseconds: bounds),
            perTryTimeout: reader.duration("perTryTimeout", in: block, milliseconds: bounds)
        )
        if let timeout = rules.timeout, let perTry = rules.perTryTimeout, perTry > timeout,
            let entry = block.entries["perTryTimeout"]
        {
            reader.noteValue(block.path("perTryTimeout"), entry, "is longer than timeout, which all tries share")
        }
        return rules
    }

    private mutating func upstreams(_ block: ManifestBlock) -> [ServiceName: Manifest.CallRules] {
        var upstreams: [ServiceName: Manifest.CallRules] = [:]
        for (key, entry) in reader.freeEntries("upstreams", in: block) {
            let path = "mesh.upstreams.\(key)"
            let name = reader.checkedKey(key, entry) { () throws(RegistryModelError) in try ServiceName(key) }
            let rules = reader.block(path, entry.value, at: entry.keyMark, keys: Self.ruleKeys)
            if let name, let rules { upstreams[name] = self.rules(rules) }
        }
        return upstreams
    }

    private mutating func allowedCallers(_ block: ManifestBlock) -> Manifest.AllowedCallers? {
        var callers = Manifest.AllowedCallers()
        let names = reader.list("allow", in: block, upTo: Self.listLimit) { reader, text, entry -> String? in
            if text == "user:*" {
                callers.users = true
                return text
            }
            guard !text.hasPrefix("user:") else {
                reader.noteValue("mesh.allow", entry, "names a single user", note: "user:* allows all of them")
                return nil
            }
            let name = reader.checked("mesh.allow", entry) { () throws(RegistryModelError) in try ServiceName(text) }
            if let name { callers.services.insert(name) }
            return text
        }
        return names == nil ? nil : callers
    }

    /// `host`, `host:port`, `*.suffix`
    private static func egressHost(
        _ reader: inout ManifestReader,
        _ text: String,
        _ entry: ManifestBlock.Entry
    ) -> String? {
        let isSuffix = text.hasPrefix("*.")
        let name = isSuffix ? String(text.dropFirst(2)) : text
        let (host, port) = splitPort(name)
        let isHost = (try? Endpoint(host: host, port: port ?? 443)) != nil
        guard isHost, !host.contains(":") || !isSuffix, port != 0 else {
            reader.noteValue("mesh.egress", entry, "is no host", note: "such as api.gov, api.gov:8443 or *.gov")
            return nil
        }
        return text
    }

    /// `PORT` or `HOST:PORT`
    private mutating func inbound(_ block: ManifestBlock) -> Manifest.ListenAddress? {
        guard let entry = block.entries["inbound"], let text = reader.text("inbound", in: block, upTo: 300) else {
            return nil
        }
        if let port = UInt16(text), port > 0 { return Manifest.ListenAddress(host: nil, port: port) }
        let (host, port) = Self.splitPort(text)
        guard let port, let endpoint = try? Endpoint(host: host, port: port) else {
            reader.noteValue("mesh.inbound", entry, "is neither PORT nor HOST:PORT")
            return nil
        }
        return Manifest.ListenAddress(host: endpoint.host, port: endpoint.port)
    }

    /// `api.gov:8443`, `[fe80::1]:8443`, `api.gov`; a port that is none comes back as 0.
    private static func splitPort(_ text: String) -> (host: String, port: UInt16?) {
        if text.hasPrefix("["), let end = text.firstIndex(of: "]") {
            let host = String(text[text.index(after: text.startIndex)..<end])
            let rest = text[text.index(after: end)...]
            return (host, rest.isEmpty ? nil : rest.hasPrefix(":") ? UInt16(rest.dropFirst()) ?? 0 : 0)
        }
        guard let colon = text.lastIndex(of: ":"), text.firstIndex(of: ":") == colon else { return (text, nil) }
        return (String(text[..<colon]), UInt16(text[text.index(after: colon)...]) ?? 0)
    }
}

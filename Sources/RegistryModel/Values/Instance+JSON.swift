extension Instance {
    /// Bounds of what an instance may say of itself.
    public enum Limits {
        public static let tags = 32
        /// Bytes of a tag, version, zone, protocol, start id.
        public static let text = 128
        /// Keys and values together, in bytes.
        public static let metadataBytes = 4_096
        public static let repeatableRoutes = 64
        public static let weight: UInt32 = 10_000
        public static let ttlMilliseconds: ClosedRange<UInt64> = 1_000...86_400_000
        /// Bytes of the words beside a health.
        public static let detail = 256
    }

    /// The keys that ``readMember(_:from:)`` takes, for "did you mean".
    public static let memberNames = [
        "service", "id", "ip", "port", "appPort", "version", "zone", "tags", "metadata", "weight", "protocol", "ttlMs",
        "repeatable", "keyLineage", "tlsCert", "startId", "status",
    ]

    /// Writes the members that stay the same until it registers anew, behind `{`: the head of its JSON object.
    ///
    /// The registry adds `handle`, `status`, `cause`, `since` and the like behind them.
    public func writeMembers(to json: inout JSONWriter) {
        json.member("id", key.id.description)
        json.member("ip", endpoint.host)
        json.member("port", endpoint.port)
        if let appPort { json.member("appPort", appPort) }
        if !tlsCert.isEmpty { json.member("tlsCert", tlsCert) }
        json.member("version", version)
        if !zone.isEmpty { json.member("zone", zone) }
        if !tags.isEmpty { json.member("tags", tags) }
        if !metadata.isEmpty {
            json.key("metadata")
            json.beginObject()
            for entry in metadata { json.member(entry.key, entry.value) }
            json.endObject()
        }
        if weight != Self.defaultWeight { json.member("weight", weight) }
        if !applicationProtocol.isEmpty { json.member("protocol", applicationProtocol) }
        switch lease {
        case .inherited: break
        case .ttl(let milliseconds): json.member("ttlMs", milliseconds)
        case .permanent:
            json.key("ttlMs")
            json.writeNull()
        }
        if !repeatable.isEmpty { json.member("repeatable", repeatable) }
        if !keyLineage.isEmpty { json.member("keyLineage", keyLineage) }
        if !startID.isEmpty { json.member("startId", startID) }
        if let externalURL { json.member("externalUrl", externalURL) }
    }

    /// Takes one member of a registration's JSON object into this instance, checked against ``Limits``.
    ///
    /// - Returns: false where `name` is not a member of an instance; nothing was taken then.
    public mutating func readMember(
        _ name: String,
        from json: inout JSONReader
    ) throws(RegistryModelError) -> Bool {
        switch name {
        case "appPort": appPort = try json.takeNull() ? nil : port(try json.integer(), named: name)
        case "version": version = try text(&json, named: name)
        case "zone": zone = try text(&json, named: name)
        case "tags":
            tags = try json.strings(limit: Limits.tags)
            for tag in tags { try check(tag, named: "a tag") }
        case "metadata": try readMetadata(from: &json)
        case "weight":
            weight = try json.integer()
            guard weight <= Limits.weight else { throw invalid("weight \(weight) is over \(Limits.weight)") }
        case "protocol":
            applicationProtocol = try json.string()
            guard ["", "http1", "h2c"].contains(applicationProtocol) else {
                throw invalid("protocol \(quoted(applicationProtocol)) is neither http1 nor h2c")
            }
        case "ttlMs":
            if json.takeNull() {
                lease = .permanent
            } else {
                let milliseconds: UInt64 = try json.integer()
                guard Limits.ttlMilliseconds.contains(milliseconds) else {
                    throw invalid("ttlMs \(milliseconds) is outside 1,000 to 86,400,000; null means none")
                }
                lease = .ttl(milliseconds: milliseconds)
            }
        case "repeatable":
            repeatable = try json.strings(limit: Limits.repeatableRoutes)
            for route in repeatable { try check(route, named: "a repeatable route") }
        case "keyLineage": keyLineage = try text(&json, named: name)
        case "tlsCert": tlsCert = try text(&json, named: name)
        case "startId": startID = try text(&json, named: name)
        case "externalUrl": externalURL = try text(&json, named: name)
        default: return false
        }
        return true
    }

    private mutating func readMetadata(from json: inout JSONReader) throws(RegistryModelError) {
        var entries: [MetadataEntry] = []
        var bytes = 0
        try json.object { (reader, key) throws(RegistryModelError) in
            let value = try reader.string()
            bytes += key.utf8.count + value.utf8.count
            guard !key.isEmpty, bytes <= Limits.metadataBytes, key.isPrintable, value.isPrintable else {
                throw invalid(
                    "metadata has an empty key, a control character or more than \(Limits.metadataBytes) bytes"
                )
            }
            entries.append(MetadataEntry(key: key, value: value))
        }
        entries.sort { $0.key < $1.key }
        for (entry, next) in zip(entries, entries.dropFirst()) where entry.key == next.key {
            throw invalid("metadata has the key \(quoted(entry.key)) twice")
        }
        metadata = entries
    }

    private func text(_ json: inout JSONReader, named name: String) throws(RegistryModelError) -> String {
        let text = try json.string()
        try check(text, named: name)
        return text
    }

    private func check(_ text: String, named name: String) throws(RegistryModelError) {
        guard text.utf8.count <= Limits.text, text.isPrintable else {
            throw invalid("\(name) \(quoted(text)) is over \(Limits.text) bytes or has control characters")
        }
    }

    private func port(_ value: Int64, named name: String) throws(RegistryModelError) -> UInt16 {
        guard let port = UInt16(exactly: value), port != 0 else {
            throw invalid("\(name) \(value) is outside 1 to 65535")
        }
        return port
    }

    private func invalid(_ message: String) -> RegistryModelError {
        RegistryModelError(.invalidField, message)
    }
}

/// An instance as somebody wants it registered: read from one JSON object at the door.
public struct Registration: Sendable, Equatable {
    public var instance: Instance
    /// `starting` unless it says that it serves already.
    public var health: Health

    public init(instance: Instance, health: Health = .starting) {
        self.instance = instance
        self.health = health
    }

    /// Takes a registration object.
    ///
    /// - Parameter key: what the path said; nil: `service` and `id` must be members.
    /// - Throws: what is missing, unknown or out of bounds, in words.
    public init(from json: inout JSONReader, key pathKey: InstanceKey?) throws(RegistryModelError) {
        var service: ServiceName?
        var id: InstanceID?
        var host: String?
        var port: UInt16?
        var health = Health.starting
        var read: Instance?
        // What needs an instance to be read into waits until the instance's key, `ip` and `port` are known.
        var pending: [(String, UnsafeRawBufferPointer)] = []
        try json.object { (reader, name) throws(RegistryModelError) in
            switch name {
            case "service": service = try ServiceName(try reader.string())
            case "id": id = try InstanceID(try reader.string())
            case "ip": host = try reader.string()
            case "port":
                let value: Int64 = try reader.integer()
                guard let number = UInt16(exactly: value), number != 0 else {
                    throw RegistryModelError(.invalidField, "port \(value) is outside 1 to 65535")
                }
                port = number
            case "status":
                let text = try reader.string()
                guard let status = Health(text), status != .draining else {
                    throw RegistryModelError(
                        .invalidField,
                        "status \(quoted(text)) is none of starting, healthy, degraded, unhealthy"
                    )
                }
                health = status
            default:
                if read == nil, let host, let port, let key = pathKey ?? InstanceKey(service: service, id: id) {
                    read = Instance(key: key, endpoint: try Endpoint(host: host, port: port))
                }
                guard name != "externalUrl", let isKnown = try read?.readMember(name, from: &reader) else {
                    pending.append((name, try reader.raw()))
                    return
                }
                guard isKnown else { throw Self.unknownMember(name, among: Instance.memberNames) }
            }
        }
        let key = try Self.key(pathKey, service, id)
        guard let host else { throw Self.missing("ip") }
        guard let port else { throw Self.missing("port") }
        let endpoint = try Endpoint(host: host, port: port)
        var instance = read ?? Instance(key: key, endpoint: endpoint)
        for (name, bytes) in pending {
            var reader = JSONReader(bytes: bytes)
            guard name != "externalUrl", try instance.readMember(name, from: &reader) else {
                throw Self.unknownMember(name, among: Instance.memberNames)
            }
        }
        // A member may stand twice; the last one counts.
        instance.key = key
        instance.endpoint = endpoint
        self.init(instance: instance, health: health)
    }

    private static func key(
        _ pathKey: InstanceKey?,
        _ service: ServiceName?,
        _ id: InstanceID?
    ) throws(RegistryModelError) -> InstanceKey {
        guard let pathKey else {
            guard let service else { throw missing("service") }
            guard let id else { throw missing("id") }
            return InstanceKey(service: service, id: id)
        }
        guard service == nil || service == pathKey.service, id == nil || id == pathKey.id else {
            throw RegistryModelError(.invalidField, "service or id is not the one in the path, \(pathKey)")
        }
        return pathKey
    }

    private static func missing(_ name: String) -> RegistryModelError {
        RegistryModelError(.missingField, "\(name) is missing")
    }

    /// `unknownField`, with the nearest known one.
    public static func unknownMember(_ name: String, among known: [String]) -> RegistryModelError {
        let nearest = NearestName.matches(for: name, in: known, limit: 1).first
        return RegistryModelError(
            .unknownField,
            "unknown key \(quoted(name))" + (nearest.map { ": did you mean \($0)?" } ?? "")
        )
    }
}

extension JSONReader {
    /// A `detail`: words of a probe, at most ``Instance/Limits/detail`` bytes.
    public mutating func boundedDetail() throws(RegistryModelError) -> String {
        let text = try string()
        guard text.utf8.count <= Instance.Limits.detail, text.isPrintable else {
            throw RegistryModelError(
                .invalidField,
                "detail is over \(Instance.Limits.detail) bytes or has control characters"
            )
        }
        return text
    }
}

extension InstanceKey {
    /// nil while a part is not known yet.
    fileprivate init?(service: ServiceName?, id: InstanceID?) {
        guard let service, let id else { return nil }
        self.init(service: service, id: id)
    }
}

import Identity
import RegistryClient
import RegistryModel

/// What a sidecar was last told, on disk: with it calls go on through a restart of the sidecar while the registry is away.
struct LastKnownGood: Sendable {
    struct Service: Sendable {
        var instances: [InstanceKey: RegisteredInstance] = [:]
        var policy: MeshPolicy?
        var isKnown = true
    }

    var sequence = SequenceNumber.none
    var denied = DenyList()
    /// PEM of the roots to believe; nil before the registry has said.
    var bundle: String?
    var services: [ServiceName: Service] = [:]

    private static let mostBytes = 64 * 1_024 * 1_024

    mutating func apply(_ message: WatchMessage) {
        switch message {
        case .reset: break
        case .bundle(let pem): bundle = pem
        case .denied(let serials, let services): denied = DenyList(serials: serials, services: services)
        case .service(let name, let instances, let policy, let isKnown):
            services[name] = Service(
                instances: Dictionary(instances.map { ($0.instance.key, $0) }, uniquingKeysWith: { $1 }),
                policy: policy,
                isKnown: isKnown
            )
        case .upsert(let instance):
            services[instance.instance.key.service, default: Service()].instances[instance.instance.key] = instance
        case .remove(let key): services[key.service]?.instances[key] = nil
        case .policy(let name, let policy): services[name, default: Service()].policy = policy
        }
    }

    /// As a watch would tell it.
    var messages: [WatchMessage] {
        services.map {
            .service($0.key, Array($0.value.instances.values), $0.value.policy, isKnown: $0.value.isKnown)
        }
    }

    /// - Throws: `storage`.
    func save(to path: String) throws {
        var json = JSONWriter(reservingCapacity: 4_096)
        json.beginObject()
        json.member("sequence", sequence.rawValue)
        json.member("denied_serials", denied.serials.sorted())
        json.key("denied_services")
        json.beginObject()
        for (service, before) in denied.services { json.member(service.description, before) }
        json.endObject()
        if let bundle { json.member("bundle", bundle) }
        json.key("services")
        json.beginObject()
        for (name, service) in services {
            json.key(name.description)
            json.beginObject()
            json.member("known", service.isKnown)
            json.key("policy")
            if let policy = service.policy { policy.write(to: &json) } else { json.writeNull() }
            json.key("instances")
            json.beginArray()
            for instance in service.instances.values { instance.write(to: &json) }
            json.endArray()
            json.endObject()
        }
        json.endObject()
        json.endObject()
        try PrivateFile.write(json.string, to: path)
    }

    /// - Returns: nil where there is none that can be read.
    static func load(from path: String) -> LastKnownGood? {
        guard let text = try? PrivateFile.read(path, limit: mostBytes) else { return nil }
        return try? JSONReader.parse(Array(text.utf8)) { (json) throws(RegistryModelError) in
            var read = LastKnownGood()
            try json.object { (json, name) throws(RegistryModelError) in
                switch name {
                case "sequence": read.sequence = SequenceNumber(try json.integer(as: UInt64.self))
                case "denied_serials": read.denied.serials = Set(try json.strings(limit: 1_000_000))
                case "denied_services":
                    try json.object { (json, name) throws(RegistryModelError) in
                        let text = try json.string()
                        if let time = Timestamp(rfc3339: text) { read.denied.services[try ServiceName(name)] = time }
                    }
                case "bundle": read.bundle = try json.string()
                case "services":
                    try json.object { (json, name) throws(RegistryModelError) in
                        let service = try ServiceName(name)
                        read.services[service] = try Service(of: service, from: &json)
                    }
                default: try json.skip()
                }
            }
            return read
        }
    }
}

extension LastKnownGood.Service {
    fileprivate init(of service: ServiceName, from json: inout JSONReader) throws(RegistryModelError) {
        var read = Self()
        try json.object { (json, name) throws(RegistryModelError) in
            switch name {
            case "known": read.isKnown = try json.bool()
            case "policy": if !json.takeNull() { read.policy = try MeshPolicy(from: &json) }
            case "instances":
                try json.array { (json) throws(RegistryModelError) in
                    let instance = try RegisteredInstance(service: service, from: &json)
                    read.instances[instance.instance.key] = instance
                }
            default: try json.skip()
            }
        }
        self = read
    }
}

extension RegisteredInstance {
    /// As the registry writes it.
    fileprivate func write(to json: inout JSONWriter) {
        json.beginObject()
        instance.writeMembers(to: &json)
        json.member("handle", handle.rawValue)
        json.member("status", health.description)
        json.member("cause", cause)
        json.member("since", since)
        json.member("registeredAt", registeredAt)
        json.member("sequence", sequence.rawValue)
        json.endObject()
    }
}

import RegistryClient
import RegistryModel

/// A service and its instances, as the registry gave them last, and the row that a page shows of it.
struct ServiceEntry: Sendable {
    var instances: [InstanceID: RegisteredInstance] = [:]
    var policy: MeshPolicy?
    /// The page's update that it changed with last.
    var revision: UInt64 = 0
    /// When anything about it changed last; the registry's clock.
    var changedAt = Timestamp(rawValue: 0)

    /// Versions that a row names; of more the first ones.
    private static let namedVersions = 4

    init() {}

    init(_ instances: [RegisteredInstance], policy: MeshPolicy? = nil) {
        self.policy = policy
        for instance in instances { self.instances[instance.instance.key.id] = instance }
        changedAt = instances.map { max($0.since, $0.registeredAt) }.max() ?? changedAt
    }

    var counts: HealthCounts {
        var counts = HealthCounts()
        for instance in instances.values { counts[instance.health] += 1 }
        return counts
    }

    private var versions: [String] {
        Set(instances.values.map(\.instance.version)).filter { !$0.isEmpty }.sorted()
    }

    /// nil for a service of the mesh.
    private var externalURL: String? {
        instances.values.lazy.compactMap(\.instance.externalURL).first
    }

    /// Whether an instance bears the text in its id, address, version, zone, tags or metadata; `text` is in lower case.
    func hasInstance(matching text: String) -> Bool {
        instances.values.contains { registered in
            let instance = registered.instance
            return [instance.key.id.description, instance.endpoint.description, instance.version, instance.zone]
                .contains {
                    $0.lowercased().contains(text)
                } || instance.tags.contains { $0.lowercased().contains(text) }
                || instance.metadata.contains { "\($0.key)=\($0.value)".lowercased().contains(text) }
        }
    }

    /// The row: `s` counts instances in the order of `Health`.
    func writeRow(_ name: ServiceName, to json: inout JSONWriter) {
        json.beginObject()
        json.member("n", name.description)
        json.key("s")
        json.beginArray()
        let counts = counts
        for health in Health.allCases { json.write(counts[health]) }
        json.endArray()
        let versions = versions
        if !versions.isEmpty { json.member("v", Array(versions.prefix(Self.namedVersions))) }
        if versions.count > Self.namedVersions { json.member("vn", versions.count) }
        if let externalURL { json.member("x", externalURL) }
        if changedAt.rawValue > 0 { json.member("c", changedAt.milliseconds) }
        json.endObject()
    }

    /// All of it: `{"service":…,"policy":…,"instances":[…]}`
    func writeDocument(_ name: ServiceName, to json: inout JSONWriter) {
        json.beginObject()
        json.member("service", name.description)
        if let policy {
            json.key("policy")
            policy.write(to: &json)
        }
        json.key("instances")
        json.beginArray()
        for (_, instance) in instances.sorted(by: { $0.key < $1.key }) { instance.write(to: &json) }
        json.endArray()
        json.endObject()
    }
}

extension RegisteredInstance {
    /// As the registry's own API writes it.
    func write(to json: inout JSONWriter) {
        json.beginObject()
        instance.writeMembers(to: &json)
        json.member("handle", handle.rawValue)
        json.member("status", health.description)
        json.member("cause", cause)
        if !detail.isEmpty { json.member("detail", detail) }
        json.member("since", since)
        json.member("registeredAt", registeredAt)
        json.member("sequence", sequence.rawValue)
        json.endObject()
    }
}

extension Timestamp {
    /// Since 1970, as browsers count.
    var milliseconds: Int64 { rawValue / 1_000_000 }
}

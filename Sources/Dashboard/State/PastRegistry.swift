import RegistryClient
import RegistryModel

/// What the registry held at a moment, as it tells afterwards.
struct PastRegistry: Sendable {
    private var services: [(ServiceName, ServiceEntry)] = []
    /// The last event that is in it.
    let sequence: SequenceNumber

    /// - Parameter document: of `GET /v1/registry?at=`.
    init(_ document: RegistryConnection.Answer) throws(RegistryClientError) {
        sequence = document.sequence
        services = try document.read { (json) throws(RegistryModelError) in
            var services: [(ServiceName, ServiceEntry)] = []
            try json.object { (json, name) throws(RegistryModelError) in
                let service = try ServiceName(name)
                var instances: [RegisteredInstance] = []
                try json.array { (json) throws(RegistryModelError) in
                    instances.append(try RegisteredInstance(service: service, from: &json))
                }
                services.append((service, ServiceEntry(instances)))
            }
            return services
        }
    }

    /// `{"sequence":…,"rows":[…]}`, rows as those of the live page.
    var rows: JSONWriter {
        var json = JSONWriter(reservingCapacity: 64 + services.count * 128)
        json.beginObject()
        json.member("sequence", sequence.rawValue)
        json.key("rows")
        json.beginArray()
        for (name, entry) in services { entry.writeRow(name, to: &json) }
        json.endArray()
        json.endObject()
        return json
    }
}

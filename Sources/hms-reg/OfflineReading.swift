import Glibc
import MaterializedView
import Registry
import RegistryClient
import RegistryModel
import Terminal

extension OfflineRegistry {
    /// Says that files were read, and what they lack.
    func noteAge(to output: Output) {
        let lag = eventsBehind == 0 ? "" : ", \(HumanText.counted(eventsBehind, "event")) behind the log"
        output.note(
            output.errorStyle.yellow(output.symbols.warning) + " no daemon is up: this is what its files say\(lag)"
        )
    }

    func lookup(_ service: ServiceName) throws -> LookupResult {
        let found = try view.read { snapshot -> LookupResult? in
            guard try snapshot.service(service) != nil else { return nil }
            var instances: [RegisteredInstance] = []
            try snapshot.forEachFragment(of: service, matching: .all) { fragment in
                instances.append(
                    try JSONReader.parse(fragment) { (json) throws(RegistryModelError) in
                        try RegisteredInstance(service: service, from: &json)
                    }
                )
            }
            return LookupResult(
                service: service,
                instances: instances,
                sequence: snapshot.sequence,
                isProtected: try snapshot.registry.protection != nil
            )
        }
        guard let found else { throw CommandError("no service \(service) is registered", exitCode: .notSo) }
        return found
    }

    /// The document that the API would give.
    func document(_ service: ServiceName, _ filter: LookupFilter) throws -> [UInt8] {
        let instances = InstanceFilter(
            status: filter.all ? .all : .routable,
            version: filter.version,
            tag: filter.tag,
            zone: filter.zone
        )
        return try view.read { snapshot in
            var json = JSONWriter()
            json.beginObject()
            json.key(service.description)
            json.beginArray()
            try snapshot.forEachFragment(of: service, matching: instances) { json.write(raw: $0) }
            json.endArray()
            json.endObject()
            return json.bytes
        }
    }
}

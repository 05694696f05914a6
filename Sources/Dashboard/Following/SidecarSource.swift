import Mesh
import RegistryClient
import RegistryModel

/// Where a sidecar is asked.
enum SidecarSource: Hashable, Sendable {
    /// By its socket on this machine.
    case local(socket: String)
    /// By `hms-admin/1`, wherever it is.
    case remote(InstanceKey, Endpoint)

    /// nil for one on this machine: it says itself who it is.
    var key: InstanceKey? {
        if case .remote(let key, _) = self { key } else { nil }
    }

    /// - Parameter remote: nil where nobody may ask elsewhere.
    /// - Throws: why it can't be asked.
    func caller(_ remote: RemoteLook?) async throws -> SidecarCaller {
        switch self {
        case .local(let socket): return try SidecarCaller(address: "unix:\(socket)")
        case .remote(let key, let endpoint):
            guard let remote else {
                throw RegistryClientError(.notAllowed, "sidecars elsewhere are asked by an operator's certificate")
            }
            return try SidecarCaller(
                remote: RemoteSidecar(endpoint: endpoint, service: key.service),
                credentials: try await remote.credentials()
            )
        }
    }
}

extension RegistryMirror {
    /// Sidecars to ask elsewhere: of each service one, then of each a second one, and so on. What is unhealthy has none that
    /// would answer, and what is external, or was registered by hand, has none at all.
    ///
    /// - Parameter services: whose; empty: those of all.
    /// - Returns: at most `limit`, and how many more there are.
    static func sidecars(
        among known: [ServiceName: ServiceEntry],
        of services: Set<ServiceName>,
        limit: Int
    ) -> (found: [SidecarSource], leftOut: Int) {
        let wanted = known.filter { services.isEmpty || services.contains($0.key) }
        let instances = wanted.sorted { $0.key < $1.key }.map { _, entry in
            entry.instances.values.filter { registered in
                !registered.instance.tlsCert.isEmpty && registered.instance.externalURL == nil
                    && registered.health != .unhealthy
            }.sorted { $0.instance.key.id < $1.instance.key.id }
        }
        var found: [SidecarSource] = []
        for turn in 0..<(instances.map(\.count).max() ?? 0) {
            for service in instances where turn < service.count && found.count < limit {
                found.append(.remote(service[turn].instance.key, service[turn].instance.endpoint))
            }
            if found.count == limit { break }
        }
        return (found, instances.reduce(0) { $0 + $1.count } - found.count)
    }
}

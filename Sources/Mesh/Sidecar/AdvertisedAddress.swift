import RegistryModel

/// Where an instance is registered: at an address that was said, or at the one from which its sidecar reaches the registry,
/// which is where its network can reach it.
struct AdvertisedAddress: Sendable {
    /// nil: the connection to the registry tells.
    let fixedHost: String?
    /// Where scrapers are answered; nil: nowhere that the sidecar would tell of.
    let metrics: (host: String, port: Int)?

    /// - Parameter localHost: this end of the connection to the registry; nil for a socket.
    func apply(to instance: inout Instance, localHost: String?) throws(RegistryModelError) {
        if let host = fixedHost ?? localHost {
            instance.endpoint = try Endpoint(host: host, port: instance.endpoint.port)
        }
        guard let metrics else { return }
        let host = Self.isWildcard(metrics.host) ? instance.endpoint.host : metrics.host
        let authority = host.contains(":") && !host.hasPrefix("[") ? "[\(host)]" : host
        let entry = MetadataEntry(key: Instance.metricsKey, value: "\(authority):\(metrics.port)")
        instance.metadata.removeAll { $0.key == entry.key }
        let index = instance.metadata.firstIndex { $0.key > entry.key } ?? instance.metadata.endIndex
        instance.metadata.insert(entry, at: index)
    }

    static func isWildcard(_ host: String) -> Bool {
        host == "0.0.0.0" || host == "::" || host == "[::]"
    }
}

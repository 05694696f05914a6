public import RegistryModel

/// An instance as a small service would register it.
public func sampleInstance(
    _ service: String,
    _ id: String,
    port: UInt16 = 7_000,
    _ change: (inout Instance) -> Void = { _ in }
) throws -> Instance {
    var instance = Instance(
        key: try sampleKey(service, id),
        endpoint: try Endpoint(host: "10.1.3.4", port: port)
    )
    instance.version = "1.0.0"
    change(&instance)
    return instance
}

public func sampleKey(_ service: String, _ id: String) throws -> InstanceKey {
    InstanceKey(service: try ServiceName(service), id: try InstanceID(id))
}

/// An external service's one instance.
public func sampleExternal(_ service: String, url: String = "https://example.org/health") throws -> Instance {
    var instance = Instance(
        key: try sampleKey(service, service),
        endpoint: try Endpoint(host: "example.org", port: 443)
    )
    instance.externalURL = url
    instance.lease = .permanent
    return instance
}

extension Timestamp {
    /// Whole seconds behind 2026-01-01T00:00:00Z: an hour that tests can write down.
    public static func sample(_ seconds: Int64) -> Timestamp {
        Timestamp(rawValue: (1_767_225_600 + seconds) * 1_000_000_000)
    }
}

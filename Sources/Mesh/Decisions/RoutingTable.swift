import RegistryClient
import RegistryModel

/// What the registry says of one service.
struct ServiceRoutes: Sendable, Equatable {
    let service: ServiceName
    var instances: [RoutedInstance]
    var policy: MeshPolicy?
    /// False: the registry has answered, and knows no such service.
    var isKnown = true
}

/// What the registry says of all services that a sidecar calls: a snapshot, swapped whole.
struct RoutingTable: Sendable {
    /// Up to where in the registry's history it speaks.
    private(set) var sequence = SequenceNumber.none
    private(set) var services: [ServiceName: ServiceRoutes] = [:]

    /// - Returns: nil where the registry has not spoken of the service.
    func routes(of service: ServiceName) -> ServiceRoutes? {
        services[service]
    }

    /// Takes one message of a watch.
    mutating func apply(_ message: WatchMessage, sequence: SequenceNumber) {
        self.sequence = sequence
        switch message {
        case .denied, .bundle: break
        // Every watched service follows whole; until then what was known is better than nothing.
        case .reset: break
        case .service(let name, let instances, let policy, let isKnown):
            services[name] = ServiceRoutes(
                service: name,
                instances: instances.map { RoutedInstance($0) },
                policy: policy,
                isKnown: isKnown
            )
        case .upsert(let registered): upsert(RoutedInstance(registered))
        case .remove(let key): services[key.service]?.instances.removeAll { $0.key == key }
        case .policy(let name, let policy):
            var routes = services[name] ?? ServiceRoutes(service: name, instances: [], isKnown: false)
            routes.policy = policy
            if policy != nil { routes.isKnown = true }
            services[name] = routes
        }
    }

    /// A service that is no longer watched: what is known of it would grow old.
    mutating func forget(_ service: ServiceName) {
        services[service] = nil
    }

    private mutating func upsert(_ instance: RoutedInstance) {
        var routes =
            services.removeValue(forKey: instance.key.service)
            ?? ServiceRoutes(service: instance.key.service, instances: [])
        routes.isKnown = true
        if let index = routes.instances.firstIndex(where: { $0.key == instance.key }) {
            routes.instances[index] = instance
        } else {
            routes.instances.append(instance)
        }
        services[instance.key.service] = routes
    }
}

import RegistryModel
import TestSupport

/// What events add up to, said a second time and as plainly as possible: what the store's rows must agree with.
struct EventModel {
    struct Entry: Equatable {
        var instance: Instance
        var state: InstanceState
    }

    struct Service: Equatable {
        var policy: MeshPolicy?
        var modified: SequenceNumber
        var changedAt: Timestamp
        var isExternal = false
    }

    private(set) var instances: [InstanceKey: Entry] = [:]
    private(set) var services: [ServiceName: Service] = [:]
    private(set) var registry = RegistryRecord()

    mutating func apply(_ event: Event) {
        switch event.kind {
        case .instanceRegistered(let instance, let health): register(instance, health, event)
        case .externalServiceAdded(let instance): register(instance, .starting, event)
        case .instanceDeregistered(let key, let handle, _):
            guard instances[key]?.state.handle == handle else { return }
            instances[key] = nil
            touch(key.service, event)
        case .externalServiceRemoved(let name):
            for key in instances.keys where key.service == name {
                instances[key] = nil
                touch(name, event)
            }
        case .instanceDraining(let key, let handle): turn(key, handle, .draining, .requested, "", event)
        case .healthChanged(let change):
            turn(change.key, change.handle, change.to, change.cause, change.detail, event)
        case .servicePolicySet(let name, let policy):
            touch(name, event)
            services[name]?.policy = policy
        case .servicePolicyRemoved(let name):
            touch(name, event)
            services[name]?.policy = nil
        case .registryStarted: forgetEmpty(event)
        default: break
        }
    }

    /// The service's row, counted anew from its instances.
    func record(of name: ServiceName) -> ServiceRecord? {
        guard let service = services[name] else { return nil }
        var record = ServiceRecord(name: name)
        record.policy = service.policy
        record.modified = service.modified
        record.changedAt = service.changedAt
        record.isExternal = service.isExternal
        var versions: [String: UInt32] = [:]
        for entry in instances.values where entry.instance.key.service == name {
            record.counts[entry.state.health] += 1
            versions[entry.instance.version, default: 0] += 1
        }
        record.versions = versions.keys.sorted().map { VersionCount(version: $0, count: versions[$0] ?? 0) }
        return record
    }

    private mutating func register(_ instance: Instance, _ health: Health, _ event: Event) {
        var state = InstanceState(
            handle: event.sequence,
            health: health,
            cause: .reported,
            since: event.time,
            registeredAt: event.time,
            modified: event.sequence
        )
        if let old = instances[instance.key], old.instance.isSameIncarnation(as: instance) {
            state.handle = old.state.handle
            state.registeredAt = old.state.registeredAt
            if old.state.health == health { state.since = old.state.since }
        }
        instances[instance.key] = Entry(instance: instance, state: state)
        touch(instance.key.service, event)
        services[instance.key.service]?.isExternal = instance.externalURL != nil
    }

    private mutating func turn(
        _ key: InstanceKey,
        _ handle: InstanceHandle,
        _ health: Health,
        _ cause: TransitionCause,
        _ detail: String,
        _ event: Event
    ) {
        guard var entry = instances[key], entry.state.handle == handle else { return }
        if entry.state.health != health { entry.state.since = event.time }
        entry.state.health = health
        entry.state.cause = cause
        entry.state.detail = detail
        entry.state.modified = event.sequence
        instances[key] = entry
        touch(key.service, event)
    }

    private mutating func forgetEmpty(_ event: Event) {
        let used = Set(instances.keys.map(\.service))
        let stale = services.filter { name, service in
            !used.contains(name) && service.policy == nil && event.time.since(service.changedAt) > .seconds(86_400)
        }
        for name in stale.keys { services[name] = nil }
        if !stale.isEmpty { registry.servicesForgotten = event.sequence }
    }

    private mutating func touch(_ name: ServiceName, _ event: Event) {
        var service = services[name] ?? Service(modified: .none, changedAt: event.time)
        service.modified = event.sequence
        service.changedAt = event.time
        services[name] = service
    }
}

/// What an event changed, for whoever watches.
public enum ViewChange: Sendable, Equatable {
    case upserted(InstanceKey)
    case removed(InstanceKey)
    case policyChanged(ServiceName)
    /// Some identity is not to be believed any more.
    case deniedChanged

    /// nil where it concerns everybody.
    public var service: ServiceName? {
        switch self {
        case .upserted(let key), .removed(let key): key.service
        case .policyChanged(let service): service
        case .deniedChanged: nil
        }
    }
}

/// The fold from events to state: the one definition of what an event means.
///
/// Inlinable, so that each store has its own, without a detour at every row.
///
/// A pure function of the log: it reads no clock, no random number, no environment. Events that do not fit the state
/// (a health change of an instance long gone) change nothing, so every log has exactly one meaning.
public enum Projection {
    /// A service's row outlives its last instance by this, so that callers hear "no instances" and not "unknown".
    public static let emptyServiceLifetime = Duration.seconds(86_400)

    /// What is on record of certificates and tokens is kept this long after their end: so long a lapsed workload may
    /// rejoin by its old key.
    public static let rejoinWindow = Duration.seconds(7 * 86_400)

    /// Applies one event; what it changed is appended to `changes`.
    @inlinable
    public static func apply<Store: RecordStore>(
        _ event: Event,
        to store: inout Store,
        changes: inout [ViewChange]
    ) throws(Store.Failure) {
        switch event.kind {
        case .instanceRegistered(let instance, let health):
            try register(instance, health: health, event, &store, &changes)
        case .externalServiceAdded(let instance):
            try register(instance, health: .starting, event, &store, &changes)
        case .instanceDeregistered(let key, let handle, _):
            guard let state = try store.state(of: key), state.handle == handle else { return }
            try remove(key, state, event, &store, &changes)
        case .externalServiceRemoved(let service):
            for id in try store.instanceIDs(of: service) {
                let key = InstanceKey(service: service, id: id)
                guard let state = try store.state(of: key) else { continue }
                try remove(key, state, event, &store, &changes)
            }
        case .instanceDraining(let key, let handle):
            let change = HealthChange(key: key, handle: handle, from: .draining, to: .draining, cause: .requested)
            try changeHealth(change, event, &store, &changes)
        case .healthChanged(let change):
            try changeHealth(change, event, &store, &changes)
        case .servicePolicySet(let service, let policy):
            try setPolicy(policy, of: service, event, &store, &changes)
        case .servicePolicyRemoved(let service):
            try setPolicy(nil, of: service, event, &store, &changes)
        case .protectionStarted(let report):
            var registry = try store.registry()
            let isHeld = registry.protection?.isHeld ?? false
            registry.protection = .init(since: event.time, report: report, isHeld: isHeld)
            try store.put(registry)
        case .protectionEnded:
            var registry = try store.registry()
            registry.protection = nil
            try store.put(registry)
        case .guardOverridden(let word):
            try overrideGuard(word, event, &store)
        case .certificateIssued(let certificate): try issue(certificate, &store)
        case .certificateRevoked(let revocation):
            try store.put(revocation)
            changes.append(.deniedChanged)
        case .tokenCreated(let token): try store.put(token)
        case .tokenUsed(let hash, _):
            guard var token = try store.token(hash) else { return }
            token.used &+= 1
            try store.put(token)
        case .tokenRevoked(let hash):
            guard var token = try store.token(hash) else { return }
            token.isRevoked = true
            try store.put(token)
        case .registryStarted, .beatsSealed:
            try removeStaleServices(event, &store)
            try store.removeLapsedIdentities(before: event.time.advanced(by: .zero - rejoinWindow))
        case .heartbeats, .registryStopped, .clockStepped, .checkpointed, .registryRestored, .snapshotTaken,
            .checkpointKeyRotated, .sidecarTailed, .authorityChanged, .unknown:
            break
        }
    }

    @inlinable
    static func register<Store: RecordStore>(
        _ instance: Instance,
        health: Health,
        _ event: Event,
        _ store: inout Store,
        _ changes: inout [ViewChange]
    ) throws(Store.Failure) {
        var service = try store.service(instance.key.service) ?? ServiceRecord(name: instance.key.service)
        var state = InstanceState(
            handle: event.sequence,
            health: health,
            cause: .reported,
            since: event.time,
            registeredAt: event.time,
            modified: event.sequence
        )
        if let old = try store.state(of: instance.key), let before = try store.instance(instance.key) {
            service.forget(before.version, old.health)
            if before.isSameIncarnation(as: instance) {
                state.handle = old.handle
                state.registeredAt = old.registeredAt
                if old.health == health { state.since = old.since }
            }
        }
        try store.put(instance, state)
        service.count(instance.version, health)
        service.isExternal = instance.externalURL != nil
        try touch(&service, event, &store)
        changes.append(.upserted(instance.key))
    }

    @inlinable
    static func remove<Store: RecordStore>(
        _ key: InstanceKey,
        _ state: InstanceState,
        _ event: Event,
        _ store: inout Store,
        _ changes: inout [ViewChange]
    ) throws(Store.Failure) {
        if var service = try store.service(key.service), let version = try store.version(of: key) {
            service.forget(version, state.health)
            try touch(&service, event, &store)
        }
        try store.remove(key)
        changes.append(.removed(key))
    }

    @inlinable
    static func changeHealth<Store: RecordStore>(
        _ change: HealthChange,
        _ event: Event,
        _ store: inout Store,
        _ changes: inout [ViewChange]
    ) throws(Store.Failure) {
        guard var state = try store.state(of: change.key), state.handle == change.handle else { return }
        if var service = try store.service(change.key.service) {
            service.counts[state.health] &-= 1
            service.counts[change.to] &+= 1
            try touch(&service, event, &store)
        }
        if state.health != change.to { state.since = event.time }
        state.health = change.to
        state.cause = change.cause
        state.detail = change.detail
        state.modified = event.sequence
        try store.update(change.key, state)
        changes.append(.upserted(change.key))
    }

    @inlinable
    static func issue<Store: RecordStore>(
        _ certificate: CertificateRecord,
        _ store: inout Store
    ) throws(Store.Failure) {
        try store.put(certificate)
        guard !certificate.previous.isEmpty, var previous = try store.certificate(certificate.previous) else { return }
        previous.isSpent = true
        try store.put(previous)
    }

    @inlinable
    static func setPolicy<Store: RecordStore>(
        _ policy: MeshPolicy?,
        of name: ServiceName,
        _ event: Event,
        _ store: inout Store,
        _ changes: inout [ViewChange]
    ) throws(Store.Failure) {
        var service = try store.service(name) ?? ServiceRecord(name: name)
        service.policy = policy
        try touch(&service, event, &store)
        changes.append(.policyChanged(name))
    }

    @inlinable
    static func overrideGuard<Store: RecordStore>(
        _ word: GuardOverride,
        _ event: Event,
        _ store: inout Store
    ) throws(Store.Failure) {
        var registry = try store.registry()
        switch word {
        case .release: registry.protection = nil
        case .hold:
            let report = ProtectionReport(expected: 0, seen: 0, why: "held by an operator")
            var protection = registry.protection ?? .init(since: event.time, report: report, isHeld: true)
            protection.isHeld = true
            registry.protection = protection
        }
        try store.put(registry)
    }

    @inlinable
    static func removeStaleServices<Store: RecordStore>(
        _ event: Event,
        _ store: inout Store
    ) throws(Store.Failure) {
        let horizon = event.time.advanced(by: .zero - emptyServiceLifetime)
        let stale = try store.emptyServices(unchangedSince: horizon)
        guard !stale.isEmpty else { return }
        for name in stale { try store.removeService(name) }
        var registry = try store.registry()
        registry.servicesForgotten = event.sequence
        try store.put(registry)
    }

    @inlinable
    static func touch<Store: RecordStore>(
        _ service: inout ServiceRecord,
        _ event: Event,
        _ store: inout Store
    ) throws(Store.Failure) {
        service.modified = event.sequence
        service.changedAt = event.time
        try store.put(service)
    }
}

extension ServiceRecord {
    @usableFromInline
    mutating func count(_ version: String, _ health: Health) {
        counts[health] &+= 1
        if let index = versions.firstIndex(where: { $0.version == version }) {
            versions[index].count &+= 1
        } else {
            versions.append(VersionCount(version: version, count: 1))
            versions.sort { $0.version < $1.version }
        }
    }

    @usableFromInline
    mutating func forget(_ version: String, _ health: Health) {
        counts[health] &-= 1
        guard let index = versions.firstIndex(where: { $0.version == version }) else { return }
        versions[index].count &-= 1
        if versions[index].count == 0 { versions.remove(at: index) }
    }
}

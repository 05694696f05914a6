import RegistryModel

extension CommandHandler {
    func register<Store: RecordStore>(
        _ registration: Registration,
        _ sequence: SequenceNumber,
        _ store: Store
    ) throws -> Decision {
        let instance = registration.instance
        let service = try store.service(instance.key.service)
        if service?.isExternal == true {
            throw RegistryError(
                .badRequest,
                "\(instance.key.service) is an external service: it has no instances of its own",
                hint: "remove it first, or choose another name"
            )
        }
        guard let state = try store.state(of: instance.key), let before = try store.instance(instance.key) else {
            guard (service?.counts.total ?? 0) < Self.instancesPerService else {
                throw RegistryError(
                    .tooManyInstances,
                    "\(instance.key.service) has \(Self.instancesPerService) instances, the most a service can have"
                )
            }
            return registered(instance, registration.health, .registered, handle: sequence)
        }
        guard before.isSameIncarnation(as: instance) else {
            return registered(instance, registration.health, .replaced, handle: sequence)
        }
        let health = healthAfterRegisteringAgain(state.health, asked: registration.health)
        if before != instance {
            return registered(instance, health, .updated, handle: state.handle)
        }
        return registeredAgain(instance, state, health)
    }

    /// What was routable stays so; what was ill or leaving starts again.
    private func healthAfterRegisteringAgain(_ health: Health, asked: Health) -> Health {
        switch health {
        case .unhealthy, .draining: asked
        case .starting, .healthy, .degraded: asked == .starting ? health : asked
        }
    }

    private func registered(
        _ instance: Instance,
        _ health: Health,
        _ result: RegistrationReply.Result,
        handle: InstanceHandle
    ) -> Decision {
        Decision(
            events: [.instanceRegistered(instance, health: health)],
            reply: .registered(RegistrationReply(handle: handle, result: result, health: health, ttl: nil))
        )
    }

    /// Identical content: a heartbeat, unless it brings the instance back.
    private func registeredAgain(_ instance: Instance, _ state: InstanceState, _ health: Health) -> Decision {
        let isRevived = state.health == .unhealthy || state.health == .draining
        let result: RegistrationReply.Result = isRevived ? .revived : .unchanged
        let reply = RegistrationReply(handle: state.handle, result: result, health: health, ttl: nil)
        guard health != state.health else { return .nothing(.registered(reply)) }
        let change = HealthChange(
            key: instance.key,
            handle: state.handle,
            from: state.health,
            to: health,
            cause: isRevived ? .reregistered : .reported
        )
        return Decision(events: [.healthChanged(change)], reply: .registered(reply))
    }

    func deregister<Store: RecordStore>(
        _ key: InstanceKey,
        _ tag: IncarnationTag?,
        _ store: Store
    ) throws -> Decision {
        let state = try existing(key, tag, in: store)
        if try store.service(key.service)?.isExternal == true { return try removeService(key.service, store) }
        return Decision(
            events: [.instanceDeregistered(key, handle: state.handle, cause: .requested)],
            reply: .deregistered(count: 1)
        )
    }

    func removeService<Store: RecordStore>(_ name: ServiceName, _ store: Store) throws -> Decision {
        guard let service = try store.service(name) else {
            throw RegistryError.unknownService(name)
        }
        let ids = try store.instanceIDs(of: name)
        if service.isExternal {
            return Decision(events: [.externalServiceRemoved(name)], reply: .deregistered(count: ids.count))
        }
        let events = try ids.compactMap { id -> EventKind? in
            let key = InstanceKey(service: name, id: id)
            guard let state = try store.state(of: key) else { return nil }
            return .instanceDeregistered(key, handle: state.handle, cause: .requested)
        }
        return Decision(events: events, reply: .deregistered(count: events.count))
    }

    func addExternal<Store: RecordStore>(
        _ instance: Instance,
        _ sequence: SequenceNumber,
        _ store: Store
    ) throws -> Decision {
        if let service = try store.service(instance.key.service) {
            guard service.isExternal || service.counts.total == 0 else {
                throw RegistryError(
                    .badRequest,
                    "\(instance.key.service) has instances of its own: an external service needs another name",
                    hint: "hms-reg add NAME --external-url URL"
                )
            }
            let ids = try store.instanceIDs(of: instance.key.service)
            if let state = try store.state(of: instance.key), try store.instance(instance.key) == instance {
                return .nothing(
                    .registered(
                        RegistrationReply(handle: state.handle, result: .unchanged, health: state.health, ttl: nil)
                    )
                )
            }
            if !ids.isEmpty {
                throw RegistryError(
                    .badRequest,
                    "\(instance.key.service) is an external service already, with another URL",
                    hint: "remove it first: hms-reg remove \(instance.key.service)"
                )
            }
        }
        let reply = RegistrationReply(handle: sequence, result: .registered, health: .starting, ttl: nil)
        return Decision(events: [.externalServiceAdded(instance)], reply: .registered(reply))
    }
}

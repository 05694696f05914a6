import RegistryModel

extension CommandHandler {
    func report<Store: RecordStore>(
        _ key: InstanceKey,
        _ handle: InstanceHandle,
        _ reported: Health?,
        _ detail: String,
        _ isProbe: Bool,
        _ store: Store
    ) throws -> Decision {
        guard let state = try store.state(of: key) else {
            throw RegistryError.unknownInstance(key)
        }
        guard state.handle == handle else {
            throw RegistryError(.superseded, "\(key) is now incarnation \(epoch)-\(state.handle)")
        }
        let change = HealthPolicy.transition(
            of: state.health,
            because: state.cause,
            onBeat: reported,
            probe: isProbe
        )
        guard let change else { return .nothing(.health(state.health, changed: false)) }
        return changed(key, state, to: change.to, change.cause, detail)
    }

    func drain<Store: RecordStore>(_ key: InstanceKey, _ tag: IncarnationTag?, _ store: Store) throws -> Decision {
        let state = try existing(key, tag, in: store)
        guard state.health != .draining else { return .nothing(.health(.draining, changed: false)) }
        return Decision(
            events: [.instanceDraining(key, handle: state.handle)],
            reply: .health(.draining, changed: true)
        )
    }

    /// The registry's own verdict on a silent instance: nothing where it is gone or already so.
    func transition<Store: RecordStore>(
        _ key: InstanceKey,
        _ handle: InstanceHandle,
        to health: Health,
        _ cause: TransitionCause,
        _ store: Store
    ) throws -> Decision {
        guard let state = try store.state(of: key), state.handle == handle else { return .nothing(.done) }
        guard state.health != health || state.cause != cause else {
            return .nothing(.health(health, changed: false))
        }
        return changed(key, state, to: health, cause, "")
    }

    private func changed(
        _ key: InstanceKey,
        _ state: InstanceState,
        to health: Health,
        _ cause: TransitionCause,
        _ detail: String
    ) -> Decision {
        let change = HealthChange(
            key: key,
            handle: state.handle,
            from: state.health,
            to: health,
            cause: cause,
            detail: detail
        )
        return Decision(events: [.healthChanged(change)], reply: .health(health, changed: true))
    }
}

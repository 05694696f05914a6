import RegistryModel

extension CommandHandler {
    func setPolicy<Store: RecordStore>(
        _ policy: MeshPolicy,
        of name: ServiceName,
        _ store: Store
    ) throws -> Decision {
        guard try store.service(name)?.policy != policy else { return .nothing(.policy(policy)) }
        return Decision(events: [.servicePolicySet(name, policy)], reply: .policy(policy))
    }

    func removePolicy<Store: RecordStore>(of name: ServiceName, _ store: Store) throws -> Decision {
        guard let service = try store.service(name) else {
            throw RegistryError.unknownService(name)
        }
        guard service.policy != nil else { return .nothing(.policy(nil)) }
        return Decision(events: [.servicePolicyRemoved(name)], reply: .policy(nil))
    }
}

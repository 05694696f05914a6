import RegistryModel

/// What a command comes to: facts for the log, and a word for whoever asked.
struct Decision: Sendable, Equatable {
    var events: [EventKind]
    var reply: CommandReply

    static func nothing(_ reply: CommandReply) -> Decision {
        Decision(events: [], reply: reply)
    }
}

/// Decides commands: the same view, command and next sequence always give the same events.
///
/// Reads the store, writes nothing. Refusals are thrown as ``RegistryError``; any other error is the store's.
struct CommandHandler: Sendable {
    /// Instances of one service at most.
    static let instancesPerService: UInt64 = 10_000

    let epoch: Epoch

    /// - Parameter sequence: what the first event will get.
    func decide<Store: RecordStore>(
        _ command: Command,
        sequence: SequenceNumber,
        in store: Store
    ) throws -> Decision {
        switch command {
        case .register(let registration):
            return try register(registration, sequence, store)
        case .report(let key, let handle, let reported, let detail, let isProbe):
            return try report(key, handle, reported, detail, isProbe, store)
        case .drain(let key, let tag):
            return try drain(key, tag, store)
        case .deregister(let key, let tag):
            return try deregister(key, tag, store)
        case .removeService(let name):
            return try removeService(name, store)
        case .setPolicy(let name, let policy):
            return try setPolicy(policy, of: name, store)
        case .removePolicy(let name):
            return try removePolicy(of: name, store)
        case .addExternal(let instance):
            return try addExternal(instance, sequence, store)
        case .observe(let key, let serial, let target, let now):
            return try observe(key, serial, target, now, store)
        case .issueCertificate(let certificate, let grounds):
            return try issue(certificate, grounds, store)
        case .createToken(let token):
            return try createToken(token, store)
        case .revokeToken(let hash):
            return try revokeToken(hash, store)
        case .owned(let command, let lineage):
            try checkOwner(of: command, lineage, store)
            return try decide(command, sequence: sequence, in: store)
        case .revoke(let revocation):
            return try revoke(revocation, store)
        case .overrideGuard(let word):
            return Decision(events: [.guardOverridden(word)], reply: .done)
        case .markUnhealthy(let key, let handle):
            return try transition(key, handle, to: .unhealthy, .heartbeatMissed, store)
        case .markProtected(let key, let handle):
            return try transition(key, handle, to: .degraded, .overdueProtected, store)
        case .expire(let key, let handle):
            guard let state = try store.state(of: key), state.handle == handle else { return .nothing(.done) }
            return Decision(
                events: [.instanceDeregistered(key, handle: handle, cause: .expired)],
                reply: .deregistered(count: 1)
            )
        case .record(let kind):
            return Decision(events: [kind], reply: .done)
        }
    }

    /// The state of an instance that must be there, and be the incarnation that is meant.
    func existing<Store: RecordStore>(
        _ key: InstanceKey,
        _ tag: IncarnationTag?,
        in store: Store
    ) throws -> InstanceState {
        guard let state = try store.state(of: key) else {
            guard try store.service(key.service) != nil else { throw RegistryError.unknownService(key.service) }
            throw RegistryError.unknownInstance(key)
        }
        if let tag, tag.epoch != epoch || tag.handle != state.handle {
            throw RegistryError(
                .superseded,
                "\(key) is now incarnation \(epoch)-\(state.handle), not \(tag)",
                hint: "another process has registered as \(key) since, or the registry was restored"
            )
        }
        return state
    }
}

import RegistryClient
import RegistryModel

/// All that the registry holds, by its watch. Whoever reads remembers the revision that he read at, and asks for what
/// changed since: nothing is kept for him.
struct RegistryMirror: Sendable {
    private(set) var services: [ServiceName: ServiceEntry] = [:]
    private(set) var feed = ChangeFeed()
    /// Rows that went, and with which update.
    private var gone: [ServiceName: UInt64] = [:]
    /// Who read before this must read all: what went since is not known any more.
    private(set) var completeSince: UInt64 = 0
    /// What was so before the dashboard came is not news.
    private var newsAfter: SequenceNumber?

    /// Names of what went that are kept, at most.
    private static let mostGone = 10_000

    /// The registry's sequence when the first watch began.
    mutating func begin(at sequence: SequenceNumber) {
        if newsAfter == nil { newsAfter = sequence }
    }

    /// - Parameters:
    ///   - revision: of the update that this is.
    ///   - now: when it came, for what bears no time of its own.
    /// - Returns: whether anything that is shown changed.
    mutating func apply(_ message: WatchMessage, revision: UInt64, now: Timestamp) -> Bool {
        switch message {
        case .reset:
            // Who read before this starts anew.
            (services, gone, completeSince) = ([:], [:], revision)
        case .service(let name, _, _, isKnown: false):
            remove(name, revision)
        case .service(let name, let instances, let policy, isKnown: true):
            replace(name, instances, policy, revision, now)
        case .upsert(let instance):
            let key = instance.instance.key
            var entry = services[key.service] ?? ServiceEntry()
            note(entry.instances[key.id], instance, revision)
            entry.instances[key.id] = instance
            entry.changedAt = max(entry.changedAt, instance.since, instance.registeredAt)
            put(entry, key.service, revision)
        case .remove(let key):
            guard var entry = services[key.service], let old = entry.instances.removeValue(forKey: key.id) else {
                return false
            }
            noteRemoval(of: old, revision, now)
            entry.changedAt = max(entry.changedAt, now)
            put(entry, key.service, revision)
        case .policy(let name, let policy):
            var entry = services[name] ?? ServiceEntry()
            entry.policy = policy
            put(entry, name, revision)
        case .bundle, .denied: return false
        }
        return true
    }

    private mutating func replace(
        _ name: ServiceName,
        _ instances: [RegisteredInstance],
        _ policy: MeshPolicy?,
        _ revision: UInt64,
        _ now: Timestamp
    ) {
        var entry = ServiceEntry(instances, policy: policy)
        let old = services[name]
        entry.changedAt = max(entry.changedAt, old?.changedAt ?? entry.changedAt)
        for instance in instances { note(old?.instances[instance.instance.key.id], instance, revision) }
        for (id, instance) in old?.instances ?? [:] where entry.instances[id] == nil {
            noteRemoval(of: instance, revision, now)
            entry.changedAt = max(entry.changedAt, now)
        }
        put(entry, name, revision)
    }

    private mutating func put(_ entry: ServiceEntry, _ name: ServiceName, _ revision: UInt64) {
        var entry = entry
        entry.revision = revision
        services[name] = entry
        gone[name] = nil
    }

    private mutating func remove(_ name: ServiceName, _ revision: UInt64) {
        guard services.removeValue(forKey: name) != nil else { return }
        gone[name] = revision
        guard gone.count > Self.mostGone else { return }
        (gone, completeSince) = ([:], revision)
    }

    private mutating func note(_ old: RegisteredInstance?, _ new: RegisteredInstance, _ revision: UInt64) {
        guard let newsAfter, new.sequence > newsAfter, old?.health != new.health else { return }
        feed.add(
            ChangeFeed.Change(
                revision: revision,
                time: new.since,
                key: new.instance.key,
                from: old?.health,
                to: new.health,
                cause: new.cause
            )
        )
    }

    private mutating func noteRemoval(of old: RegisteredInstance, _ revision: UInt64, _ now: Timestamp) {
        feed.add(
            ChangeFeed.Change(
                revision: revision,
                time: now,
                key: old.instance.key,
                from: old.health,
                to: nil,
                cause: ""
            )
        )
    }

    /// Rows that changed, and names of those that went, since a revision that is not before ``completeSince``.
    func changes(since revision: UInt64) -> (changed: [(ServiceName, ServiceEntry)], gone: [ServiceName]) {
        var changed: [(ServiceName, ServiceEntry)] = []
        for (name, entry) in services where entry.revision > revision { changed.append((name, entry)) }
        return (changed, gone.filter { $0.value > revision }.map(\.key))
    }
}

public import RegistryModel

/// What changed between two states.
public struct StateDiff: Sendable {
    public struct Change: Sendable, Equatable {
        public enum Kind: String, Sendable {
            case added
            case removed
            case changed
        }

        public var kind: Kind
        public var service: ServiceName
        /// nil: the service itself.
        public var instance: InstanceID?
        /// `health healthy → unhealthy (heartbeat-missed)`, a line each.
        public var facts: [String]
    }

    /// In order of services and instances.
    public let changes: [Change]

    public init(from old: InMemoryRecordStore, to new: InMemoryRecordStore) {
        var changes: [Change] = []
        for name in Set(old.serviceNames).union(new.serviceNames).sorted() {
            changes += Self.serviceChanges(name, old.service(name), new.service(name))
            changes += Self.instanceChanges(name, old.rows(of: name), new.rows(of: name))
        }
        self.changes = changes
    }

    private static func serviceChanges(_ name: ServiceName, _ old: ServiceRecord?, _ new: ServiceRecord?) -> [Change] {
        switch (old, new) {
        case (nil, _?): return [Change(kind: .added, service: name, facts: ["service known"])]
        case (_?, nil): return [Change(kind: .removed, service: name, facts: ["service forgotten"])]
        case (let old?, let new?) where old.policy != new.policy:
            return [Change(kind: .changed, service: name, facts: ["policy \(text(old.policy)) → \(text(new.policy))"])]
        default: return []
        }
    }

    private static func instanceChanges(
        _ name: ServiceName,
        _ old: [InMemoryRecordStore.Row],
        _ new: [InMemoryRecordStore.Row]
    ) -> [Change] {
        let before = Dictionary(uniqueKeysWithValues: old.map { ($0.instance.key.id, $0) })
        let after = Dictionary(uniqueKeysWithValues: new.map { ($0.instance.key.id, $0) })
        return Set(before.keys).union(after.keys).sorted().compactMap { id in
            switch (before[id], after[id]) {
            case (nil, let row?):
                let facts = ["\(row.instance.endpoint), \(row.state.health)"]
                return Change(kind: .added, service: name, instance: id, facts: facts)
            case (let row?, nil):
                let facts = ["\(row.instance.endpoint), was \(row.state.health)"]
                return Change(kind: .removed, service: name, instance: id, facts: facts)
            case (let old?, let new?):
                let facts = facts(old, new)
                return facts.isEmpty ? nil : Change(kind: .changed, service: name, instance: id, facts: facts)
            case (nil, nil): return nil
            }
        }
    }

    private static func facts(_ old: InMemoryRecordStore.Row, _ new: InMemoryRecordStore.Row) -> [String] {
        var facts: [String] = []
        func note(_ what: String, _ before: String, _ after: String, _ why: String = "") {
            if before != after {
                facts.append("\(what) \(before.isEmpty ? "-" : before) → \(after.isEmpty ? "-" : after)\(why)")
            }
        }
        note("health", "\(old.state.health)", "\(new.state.health)", " (\(new.state.cause))")
        note("address", "\(old.instance.endpoint)", "\(new.instance.endpoint)")
        note("version", old.instance.version, new.instance.version)
        note("zone", old.instance.zone, new.instance.zone)
        note("weight", "\(old.instance.weight)", "\(new.instance.weight)")
        note("tags", old.instance.tags.joined(separator: ","), new.instance.tags.joined(separator: ","))
        note("tlsCert", old.instance.tlsCert, new.instance.tlsCert)
        note("incarnation", "\(old.state.handle)", "\(new.state.handle)")
        if facts.isEmpty, old.instance != new.instance { facts.append("other particulars") }
        return facts
    }

    private static func text(_ policy: MeshPolicy?) -> String {
        guard let policy else { return "none" }
        var json = JSONWriter()
        policy.write(to: &json)
        return String(decoding: json.bytes, as: UTF8.self)
    }
}

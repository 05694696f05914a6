public import RegistryModel

/// ``RecordStore`` over a write transaction of the view.
///
/// Rows of services and the totals change with nearly every event: they are kept aside and written once, at the end of
/// the batch. Not to outlive the closure of ``RegistryView/write(_:committing:)``.
public struct LMDBRecordStore: RecordStore {
    public typealias Failure = ViewError

    let access: LMDBAccess
    let databases: ViewSchema.Databases
    private let pending: PendingRows

    /// What is written at the end of the batch. A reference, so that a read-only question can write rows out first.
    private final class PendingRows {
        /// nil: removed.
        var services: [ServiceName: ServiceRecord?] = [:]
        var totals: ViewTotals?
        var registry: RegistryRecord?
        var identity: ViewIdentity?
    }

    init(_ access: LMDBAccess, _ databases: ViewSchema.Databases) {
        self.access = access
        self.databases = databases
        self.pending = PendingRows()
    }

    // MARK: Instances

    public func state(of key: InstanceKey) throws(ViewError) -> InstanceState? {
        try row(key) { (record) throws(ViewError) in try record.state() }
    }

    public func instance(_ key: InstanceKey) throws(ViewError) -> Instance? {
        try row(key) { (record) throws(ViewError) in try record.instance(key) }
    }

    public func version(of key: InstanceKey) throws(ViewError) -> String? {
        try row(key) { (record) throws(ViewError) in try record.versionText() }
    }

    public mutating func put(_ instance: Instance, _ state: InstanceState) throws(ViewError) {
        try write(InstanceRecord.encode(instance, state), instance.key)
    }

    public mutating func update(_ key: InstanceKey, _ state: InstanceState) throws(ViewError) {
        let replaced = try row(key) { (record) throws(ViewError) in record.replacing(state) }
        guard let replaced else { throw .suspect("\(key) has no row to update") }
        try write(replaced, key)
    }

    public mutating func remove(_ key: InstanceKey) throws(ViewError) {
        try converting { try ViewSchema.withKey(key) { try access.delete(databases.instances, $0) } }
    }

    public func instanceIDs(of service: ServiceName) throws(ViewError) -> [InstanceID] {
        try converting {
            var ids: [InstanceID] = []
            try ViewSchema.withKey(service, then: "") { prefix in
                try access.scan(databases.instances, from: prefix) { key, _ in
                    guard key.starts(with: prefix) else { return false }
                    ids.append(try ViewSchema.instanceKey(key).id)
                    return true
                }
            }
            return ids
        }
    }

    // MARK: Services

    public func service(_ name: ServiceName) throws(ViewError) -> ServiceRecord? {
        if let kept = pending.services[name] { return kept }
        let found = try stored(name)
        pending.services[name] = .some(found)
        return found
    }

    public mutating func put(_ service: ServiceRecord) throws(ViewError) {
        try count(from: try self.service(service.name), to: service)
        pending.services[service.name] = service
    }

    public mutating func removeService(_ name: ServiceName) throws(ViewError) {
        try count(from: try service(name), to: nil)
        pending.services[name] = .some(nil)
    }

    public func emptyServices(unchangedSince time: Timestamp) throws(ViewError) -> [ServiceName] {
        try flush()
        return try converting {
            var names: [ServiceName] = []
            try access.scan(databases.services, from: UnsafeRawBufferPointer(start: nil, count: 0)) { key, value in
                let service = try ServiceRow.decode(try ServiceRow.name(key), value)
                if service.counts.total == 0, service.policy == nil, service.changedAt < time {
                    names.append(service.name)
                }
                return true
            }
            return names
        }
    }

    // MARK: The registry as a whole

    public func registry() throws(ViewError) -> RegistryRecord {
        if let kept = pending.registry { return kept }
        return try converting {
            try ViewSchema.withKey(ViewSchema.MetaKey.registry.rawValue) { key in
                try access.withValue(databases.meta, key) { try ViewMeta.registry($0) }
            } ?? RegistryRecord()
        }
    }

    public mutating func put(_ registry: RegistryRecord) throws(ViewError) {
        pending.registry = registry
    }

    /// The view is complete through `sequence` once this batch is committed.
    public mutating func setApplied(_ sequence: SequenceNumber) throws(ViewError) {
        guard var identity = try identity() else { throw .suspect("it belongs to no log") }
        identity.applied = sequence
        pending.identity = identity
    }

    /// Binds a fresh view to a log.
    public mutating func bind(registryID: RegistryID, epoch: Epoch, applied: SequenceNumber) {
        pending.identity = ViewIdentity(
            schema: ViewSchema.version,
            registryID: registryID,
            epoch: epoch,
            applied: applied
        )
    }

    // MARK: Rows

    /// Writes out what was kept aside.
    func flush() throws(ViewError) {
        try converting {
            for (name, service) in pending.services {
                try ViewSchema.withKey(name.description) { key in
                    if let service {
                        try ServiceRow.encode(service).withUnsafeBytes {
                            try access.put(databases.services, key, $0)
                        }
                    } else {
                        try access.delete(databases.services, key)
                    }
                }
            }
            pending.services.removeAll(keepingCapacity: true)
            if let totals = pending.totals { try putMeta(.totals, ViewMeta.encode(totals)) }
            if let registry = pending.registry { try putMeta(.registry, ViewMeta.encode(registry)) }
            if let identity = pending.identity { try putMeta(.identity, ViewMeta.encode(identity)) }
        }
    }

    private func count(from old: ServiceRecord?, to new: ServiceRecord?) throws(ViewError) {
        var totals = try totals()
        if old == nil, new != nil { totals.services &+= 1 }
        if old != nil, new == nil { totals.services &-= 1 }
        for health in Health.allCases {
            totals.health[health] &-= old?.counts[health] ?? 0
            totals.health[health] &+= new?.counts[health] ?? 0
        }
        pending.totals = totals
    }

    private func totals() throws(ViewError) -> ViewTotals {
        if let kept = pending.totals { return kept }
        return try converting {
            try ViewSchema.withKey(ViewSchema.MetaKey.totals.rawValue) { key in
                try access.withValue(databases.meta, key) { try ViewMeta.totals($0) }
            } ?? ViewTotals()
        }
    }

    private func identity() throws(ViewError) -> ViewIdentity? {
        if let kept = pending.identity { return kept }
        return try converting {
            try ViewSchema.withKey(ViewSchema.MetaKey.identity.rawValue) { key in
                try access.withValue(databases.meta, key) { try ViewMeta.identity($0) }
            }
        }
    }

    private func stored(_ name: ServiceName) throws(ViewError) -> ServiceRecord? {
        try converting {
            try ViewSchema.withKey(name.description) { key in
                try access.withValue(databases.services, key) { try ServiceRow.decode(name, $0) }
            }
        }
    }

    private func row<R>(
        _ key: InstanceKey,
        _ body: (InstanceRecord) throws(ViewError) -> R
    ) throws(ViewError) -> R? {
        try converting {
            try ViewSchema.withKey(key) { bytes in
                try access.withValue(databases.instances, bytes) { try body(InstanceRecord($0)) }
            }
        }
    }

    private func write(_ row: [UInt8], _ key: InstanceKey) throws(ViewError) {
        try converting {
            try ViewSchema.withKey(key) { key in
                try row.withUnsafeBytes { try access.put(databases.instances, key, $0) }
            }
        }
    }

    private func putMeta(_ key: ViewSchema.MetaKey, _ value: [UInt8]) throws {
        try ViewSchema.withKey(key.rawValue) { key in
            try value.withUnsafeBytes { try access.put(databases.meta, key, $0) }
        }
    }
}

/// Runs `body`, whose errors are the view's or LMDB's, and makes them the view's.
func converting<R>(_ body: () throws -> R) throws(ViewError) -> R {
    do {
        return try body()
    } catch let error as ViewError {
        throw error
    } catch let error as LMDBError {
        throw ViewError(error)
    } catch {
        throw ViewError(.storage, "\(error)")
    }
}

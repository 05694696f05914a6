import CLMDB
public import RegistryModel

/// The view at one moment: a read transaction's sight of it, for the time of ``RegistryView/read(_:)``.
public struct ViewSnapshot: ~Copyable {
    let reader: ReadTransactionPool.Reader
    let databases: ViewSchema.Databases
    /// The last event that it shows.
    public let sequence: SequenceNumber
    public let identity: ViewIdentity

    init(_ reader: ReadTransactionPool.Reader, _ databases: ViewSchema.Databases) throws(ViewError) {
        let access = reader.access
        let found = try converting {
            try ViewSchema.withKey(ViewSchema.MetaKey.identity.rawValue) { key in
                try access.withValue(databases.meta, key) { try ViewMeta.identity($0) }
            }
        }
        guard let found else { throw .suspect("it belongs to no log") }
        self.reader = reader
        self.databases = databases
        identity = found
        sequence = found.applied
    }

    // MARK: Services

    public func service(_ name: ServiceName) throws(ViewError) -> ServiceRecord? {
        try converting {
            try ViewSchema.withKey(name.description) { key in
                try reader.access.withValue(databases.services, key) { try ServiceRow.decode(name, $0) }
            }
        }
    }

    /// In order of names, those after `after`, at most `limit`.
    public func forEachService(
        after: ServiceName?,
        limit: Int,
        _ body: (ServiceRecord) throws -> Void
    ) throws {
        guard limit > 0 else { return }
        var count = 0
        try ViewSchema.withKey(after?.description ?? "") { start in
            try reader.access.scan(databases.services, from: start) { key, value in
                let service = try ServiceRow.decode(try ServiceRow.name(key), value)
                if service.name == after { return true }
                try body(service)
                count += 1
                return count < limit
            }
        }
    }

    public var totals: ViewTotals {
        get throws(ViewError) {
            try meta(.totals) { (bytes) throws(ViewError) in try ViewMeta.totals(bytes) } ?? ViewTotals()
        }
    }

    public var registry: RegistryRecord {
        get throws(ViewError) {
            try meta(.registry) { (bytes) throws(ViewError) in try ViewMeta.registry(bytes) } ?? RegistryRecord()
        }
    }

    // MARK: Instances

    /// The hot path: shows each matching instance's ready-made JSON, in order of ids. Decodes and allocates nothing.
    ///
    /// - Parameter body: must not keep the bytes.
    /// - Returns: how many matched.
    @discardableResult
    public func forEachFragment(
        of service: ServiceName,
        matching filter: InstanceFilter,
        _ body: (UnsafeRawBufferPointer) throws -> Void
    ) throws -> Int {
        let compiled = CompiledFilter(filter)
        let cursor = try viewing { () throws(LMDBError) in try reader.instancesCursor(databases.instances) }
        var matched = 0
        try ViewSchema.withKey(service, then: "") { prefix in
            var key = MDB_val(prefix)
            var value = MDB_val()
            var operation = MDB_SET_RANGE
            while true {
                let code = mdb_cursor_get(cursor, &key, &value, operation)
                guard code != LMDBError.notFound else { return }
                try viewing { () throws(LMDBError) in try LMDBError.check(code, "mdb_cursor_get") }
                guard UnsafeRawBufferPointer(key).starts(with: prefix) else { return }
                let record = try InstanceRecord(UnsafeRawBufferPointer(value))
                if compiled.matches(record) {
                    matched += 1
                    try body(record.fragment)
                }
                operation = MDB_NEXT
            }
        }
        return matched
    }

    public func withFragment<R>(
        of key: InstanceKey,
        _ body: (UnsafeRawBufferPointer) throws -> R
    ) throws -> R? {
        try ViewSchema.withKey(key) { bytes in
            try reader.access.withValue(databases.instances, bytes) { try body(InstanceRecord($0).fragment) }
        }
    }

    public func state(of key: InstanceKey) throws(ViewError) -> InstanceState? {
        try converting {
            try ViewSchema.withKey(key) { bytes in
                try reader.access.withValue(databases.instances, bytes) { try InstanceRecord($0).state() }
            }
        }
    }

    public func instance(_ key: InstanceKey) throws(ViewError) -> (Instance, InstanceState)? {
        try converting {
            try ViewSchema.withKey(key) { bytes in
                try reader.access.withValue(databases.instances, bytes) { bytes in
                    let record = try InstanceRecord(bytes)
                    return (try record.instance(key), try record.state())
                }
            }
        }
    }

    /// A service's instances, decoded.
    public func instances(of service: ServiceName) throws -> [(Instance, InstanceState)] {
        var found: [(Instance, InstanceState)] = []
        try forEachInstance(of: service) { found.append(($0, $1)) }
        return found
    }

    /// A service's instances, in order of ids.
    public func forEachInstance(
        of service: ServiceName,
        _ body: (Instance, InstanceState) throws -> Void
    ) throws {
        try ViewSchema.withKey(service, then: "") { prefix in
            try reader.access.scan(databases.instances, from: prefix) { key, value in
                guard key.starts(with: prefix) else { return false }
                let record = try InstanceRecord(value)
                try body(try record.instance(try ViewSchema.instanceKey(key)), try record.state())
                return true
            }
        }
    }

    /// Every instance's changing part and lease, in order of keys.
    public func forEachInstance(
        _ body: (InstanceKey, InstanceState, Instance.Lease) throws -> Void
    ) throws {
        try reader.access.scan(databases.instances, from: UnsafeRawBufferPointer(start: nil, count: 0)) { key, value in
            let record = try InstanceRecord(value)
            try body(try ViewSchema.instanceKey(key), try record.state(), record.lease)
            return true
        }
    }

    private func meta<R>(
        _ key: ViewSchema.MetaKey,
        _ body: (UnsafeRawBufferPointer) throws(ViewError) -> R
    ) throws(ViewError) -> R? {
        try converting {
            try ViewSchema.withKey(key.rawValue) { key in
                try reader.access.withValue(databases.meta, key) { try body($0) }
            }
        }
    }
}

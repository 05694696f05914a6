public import RegistryModel

/// Which log a view belongs to, and how far it has come in it.
public struct ViewIdentity: Sendable, Equatable {
    public var schema: UInt64
    public var registryID: RegistryID
    public var epoch: Epoch
    /// The last event applied.
    public var applied: SequenceNumber
}

/// Sums over all services.
public struct ViewTotals: Sendable, Equatable {
    public var services: UInt64 = 0
    public var health = HealthCounts()

    public init() {}
}

/// Values of the `meta` sub-database.
enum ViewMeta {
    static func encode(_ identity: ViewIdentity) -> [UInt8] {
        var row = ByteWriter()
        row.append(identity.schema)
        row.append(identity.registryID.rawValue)
        row.append(identity.epoch.rawValue)
        row.append(identity.applied.rawValue)
        return row.bytes
    }

    static func identity(_ bytes: UnsafeRawBufferPointer) throws(ViewError) -> ViewIdentity {
        var reader = ByteReader(bytes)
        return ViewIdentity(
            schema: try reader.next(),
            registryID: RegistryID(rawValue: try reader.next()),
            epoch: Epoch(rawValue: try reader.next()),
            applied: SequenceNumber(try reader.next(as: UInt64.self))
        )
    }

    static func encode(_ totals: ViewTotals) -> [UInt8] {
        var row = ByteWriter()
        row.append(totals.services)
        for health in Health.allCases { row.append(totals.health[health]) }
        return row.bytes
    }

    static func totals(_ bytes: UnsafeRawBufferPointer) throws(ViewError) -> ViewTotals {
        var reader = ByteReader(bytes)
        var totals = ViewTotals()
        totals.services = try reader.next()
        for health in Health.allCases { totals.health[health] = try reader.next() }
        return totals
    }

    static func encode(_ registry: RegistryRecord) -> [UInt8] {
        var row = ByteWriter()
        row.append(registry.servicesForgotten.rawValue)
        row.append(UInt8(registry.protection == nil ? 0 : 1))
        if let protection = registry.protection {
            row.append(protection.since.rawValue)
            row.append(UInt8(protection.isHeld ? 1 : 0))
            row.append(protection.report.expected)
            row.append(protection.report.seen)
            row.append(lengthPrefixed: protection.report.why.utf8)
        }
        return row.bytes
    }

    static func registry(_ bytes: UnsafeRawBufferPointer) throws(ViewError) -> RegistryRecord {
        var reader = ByteReader(bytes)
        var registry = RegistryRecord()
        registry.servicesForgotten = SequenceNumber(try reader.next(as: UInt64.self))
        guard try reader.next(as: UInt8.self) == 1 else { return registry }
        let since = Timestamp(rawValue: try reader.next())
        let isHeld = try reader.next(as: UInt8.self) == 1
        let expected: UInt64 = try reader.next()
        let seen: UInt64 = try reader.next()
        registry.protection = .init(
            since: since,
            report: ProtectionReport(expected: expected, seen: seen, why: try reader.nextText()),
            isHeld: isHeld
        )
        return registry
    }
}

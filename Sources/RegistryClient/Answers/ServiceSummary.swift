public import RegistryModel

/// A service in a list.
public struct ServiceSummary: Sendable, Equatable {
    public var name: ServiceName
    public var health: HealthCounts
    /// Of its instances, in order.
    public var versions: [String]
    public var isExternal: Bool
    public var modified: SequenceNumber
    public var changedAt: Timestamp
    public var policy: MeshPolicy?

    public init(_ record: ServiceRecord) {
        name = record.name
        health = record.counts
        versions = record.versions.map(\.version).filter { !$0.isEmpty }
        isExternal = record.isExternal
        modified = record.modified
        changedAt = record.changedAt
        policy = record.policy
    }

    /// Takes one object of `GET /v1/services`.
    init(from json: inout JSONReader) throws(RegistryModelError) {
        var name: ServiceName?
        var health = HealthCounts()
        var versions: [String] = []
        var isExternal = false
        var modified: UInt64 = 0
        var changedAt = Timestamp(rawValue: 0)
        var policy: MeshPolicy?
        try json.object { (reader, key) throws(RegistryModelError) in
            switch key {
            case "name": name = try ServiceName(try reader.string())
            case "health": health = try HealthCounts(from: &reader)
            case "versions": versions = try reader.strings(limit: 10_000)
            case "external": isExternal = try reader.bool()
            case "modified": modified = try reader.integer()
            case "changedAt": changedAt = try reader.timestamp()
            case "policy": policy = try MeshPolicy(from: &reader)
            default: try reader.skip()
            }
        }
        guard let name else { throw RegistryModelError(.missingField, "a service without a name") }
        self.name = name
        self.health = health
        self.versions = versions
        self.isExternal = isExternal
        self.modified = SequenceNumber(modified)
        self.changedAt = changedAt
        self.policy = policy
    }
}

/// All services, as of one moment or a few.
public struct ServiceList: Sendable, Equatable {
    public var services: [ServiceSummary]
    /// Of the first page: everything through it is in the list.
    public var sequence: SequenceNumber
    /// The registry's own clock when it answered.
    public var time: Timestamp

    public init(services: [ServiceSummary], sequence: SequenceNumber, time: Timestamp) {
        self.services = services
        self.sequence = sequence
        self.time = time
    }
}

extension HealthCounts {
    init(from json: inout JSONReader) throws(RegistryModelError) {
        var counts = HealthCounts()
        try json.object { (reader, name) throws(RegistryModelError) in
            let count: UInt32 = try reader.integer()
            if let health = Health(name) { counts[health] = count }
        }
        self = counts
    }
}

import NIOHTTP1
public import RegistryModel

/// Which instances of a service are wanted; what is nil is not asked for.
public struct LookupFilter: Sendable, Equatable {
    /// Those of every health, not only the routable ones.
    public var all: Bool
    public var version: String?
    public var tag: String?
    public var zone: String?
    /// A moment of the past; nil: now.
    public var at: String?

    public init(
        all: Bool = false,
        version: String? = nil,
        tag: String? = nil,
        zone: String? = nil,
        at: String? = nil
    ) {
        self.all = all
        self.version = version
        self.tag = tag
        self.zone = zone
        self.at = at
    }
}

/// A service's instances as of one sequence.
public struct LookupResult: Sendable, Equatable {
    public var service: ServiceName
    public var instances: [RegisteredInstance]
    public var sequence: SequenceNumber
    public var isProtected: Bool

    public init(
        service: ServiceName,
        instances: [RegisteredInstance],
        sequence: SequenceNumber,
        isProtected: Bool
    ) {
        self.service = service
        self.instances = instances
        self.sequence = sequence
        self.isProtected = isProtected
    }
}

extension RegistryConnection {
    /// All services, page by page.
    public func services() async throws(RegistryClientError) -> ServiceList {
        var list: ServiceList?
        var after: String?
        repeat {
            let path = "/v1/services?limit=5000" + (after.map { "&after=\($0)" } ?? "")
            let page = try await send(.GET, path).read { (json) throws(RegistryModelError) in
                try ServicePage(from: &json)
            }
            if list == nil {
                list = page.list
            } else {
                list?.services += page.list.services
            }
            after = page.next
        } while after != nil
        return list ?? ServiceList(services: [], sequence: .none, time: Timestamp(rawValue: 0))
    }

    /// - Throws: `unknown-service`, with the nearest names, where the registry knows none of this name.
    public func lookup(
        _ service: ServiceName,
        _ filter: LookupFilter = LookupFilter()
    ) async throws(RegistryClientError) -> LookupResult {
        let answer = try await send(.GET, Self.path(of: service, filter))
        let instances = try answer.read { (json) throws(RegistryModelError) in
            var instances: [RegisteredInstance] = []
            try json.object { (json, _) throws(RegistryModelError) in
                try json.array { (json) throws(RegistryModelError) in
                    instances.append(try RegisteredInstance(service: service, from: &json))
                }
            }
            return instances
        }
        return LookupResult(
            service: service,
            instances: instances,
            sequence: answer.sequence,
            isProtected: answer.isProtected
        )
    }

    /// The look-up's document as the registry sent it.
    public func lookupDocument(
        _ service: ServiceName,
        _ filter: LookupFilter
    ) async throws(RegistryClientError) -> Answer {
        try await send(.GET, Self.path(of: service, filter))
    }

    /// One instance, with how long ago it last beat.
    public func instance(_ key: InstanceKey) async throws(RegistryClientError) -> RegisteredInstance {
        try await send(.GET, Self.path(of: key)).read { (json) throws(RegistryModelError) in
            try RegisteredInstance(service: key.service, from: &json)
        }
    }

    /// The registry's condition.
    public func status() async throws(RegistryClientError) -> RegistryStatusReport {
        try await statusDocument().statusReport()
    }

    /// The same as it is sent, to be read by ``Answer/statusReport()``.
    public func statusDocument() async throws(RegistryClientError) -> Answer {
        try await send(.GET, "/v1/status")
    }

    static func path(of key: InstanceKey) -> String {
        "/v1/services/\(key.service)/instances/\(key.id)"
    }

    private static func path(of service: ServiceName, _ filter: LookupFilter) -> String {
        var query: [String] = []
        if filter.all { query.append("status=all") }
        for (name, value) in [
            ("version", filter.version), ("tag", filter.tag), ("zone", filter.zone), ("at", filter.at),
        ] {
            if let value { query.append("\(name)=\(PercentCoding.encoded(value))") }
        }
        return "/v1/services/\(service)" + (query.isEmpty ? "" : "?" + query.joined(separator: "&"))
    }
}

/// A page of `GET /v1/services`.
private struct ServicePage {
    var list: ServiceList
    var next: String?

    init(from json: inout JSONReader) throws(RegistryModelError) {
        var services: [ServiceSummary] = []
        var sequence: UInt64 = 0
        var time = Timestamp(rawValue: 0)
        var next: String?
        try json.object { (json, name) throws(RegistryModelError) in
            switch name {
            case "services":
                try json.array { (json) throws(RegistryModelError) in
                    services.append(try ServiceSummary(from: &json))
                }
            case "sequence": sequence = try json.integer()
            case "time": time = try json.timestamp()
            case "next": next = try json.string()
            default: try json.skip()
            }
        }
        list = ServiceList(services: services, sequence: SequenceNumber(sequence), time: time)
        self.next = next
    }
}

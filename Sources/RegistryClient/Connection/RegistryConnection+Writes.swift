import NIOHTTP1
public import RegistryModel

/// What the registry made of a registration.
public struct RegistrationResult: Sendable, Equatable {
    /// `registered`, `replaced`, `updated`, `unchanged` or `revived`.
    public var result: String
    public var handle: InstanceHandle
    public var sequence: SequenceNumber
    public var health: String
    /// nil: it never expires.
    public var ttl: Duration?
}

/// What became of an array of registrations.
public struct BulkResult: Sendable, Equatable {
    /// One that was refused: where in the array, and why.
    public struct Refusal: Sendable, Equatable {
        public var index: Int
        public var code: String
        public var detail: String
    }

    public var registered: UInt64
    public var refusals: [Refusal]
    public var sequence: SequenceNumber
}

/// What became of a heartbeat.
public struct HeartbeatAnswer: Sendable, Equatable {
    public enum Result: Sendable, Equatable {
        case accepted
        case unknown
        case superseded
    }

    public var result = Result.accepted
    /// By the registry's clock.
    public var time: Timestamp?
}

extension RegistryConnection {
    public func register(
        _ registration: Registration
    ) async throws(RegistryClientError) -> RegistrationResult {
        let answer = try await send(
            .PUT,
            Self.path(of: registration.instance.key),
            body: Self.body(of: registration)
        )
        return try answer.read { (json) throws(RegistryModelError) in try RegistrationResult(from: &json) }
    }

    /// Registers many at once.
    ///
    /// - Parameter lines: objects with `service` and `id`, a line each; at most 1 MiB.
    public func registerMany(lines: [UInt8]) async throws(RegistryClientError) -> BulkResult {
        try await send(.POST, "/v1/instances", body: lines).read { (json) throws(RegistryModelError) in
            try BulkResult(from: &json)
        }
    }

    public func heartbeat(
        _ key: InstanceKey,
        status: Health?,
        detail: String
    ) async throws(RegistryClientError) -> HeartbeatAnswer {
        var json = JSONWriter()
        json.beginArray()
        json.beginObject()
        json.member("service", key.service.description)
        json.member("id", key.id.description)
        if let status { json.member("status", status.description) }
        if !detail.isEmpty { json.member("detail", detail) }
        json.endObject()
        json.endArray()
        let answer = try await send(.POST, "/v1/heartbeats", body: json.bytes)
        return try answer.read { (json) throws(RegistryModelError) in
            var read = HeartbeatAnswer()
            try json.object { (json, name) throws(RegistryModelError) in
                switch name {
                case "time": read.time = Timestamp(rfc3339: try json.string())
                case "unknown", "superseded":
                    try json.array { (json) throws(RegistryModelError) in
                        read.result = name == "unknown" ? .unknown : .superseded
                        try json.skip()
                    }
                default: try json.skip()
                }
            }
            return read
        }
    }

    /// - Returns: the sequence through which it is so.
    public func drain(_ key: InstanceKey) async throws(RegistryClientError) -> SequenceNumber {
        try await send(.POST, Self.path(of: key) + "/drain").sequence
    }

    /// Asks whether somebody may look on at an instance's requests, and puts on record that he does.
    ///
    /// - Throws: `not-allowed` where he is no operator.
    @discardableResult
    public func report(_ observer: ObserverReport) async throws(RegistryClientError) -> SequenceNumber {
        var json = JSONWriter()
        json.beginObject()
        json.member("serial", observer.serial)
        json.member("target", observer.target)
        json.endObject()
        return try await send(.POST, Self.path(of: observer.instance) + "/observers", body: json.bytes).sequence
    }

    public func deregister(_ key: InstanceKey) async throws(RegistryClientError) -> SequenceNumber {
        try await send(.DELETE, Self.path(of: key)).sequence
    }

    /// Deregisters every instance of a service.
    ///
    /// - Returns: how many there were.
    public func deregisterAll(of service: ServiceName) async throws(RegistryClientError) -> UInt64 {
        try await send(.DELETE, "/v1/services/\(service)").read { (json) throws(RegistryModelError) in
            var count: UInt64 = 0
            try json.object { (json, name) throws(RegistryModelError) in
                if name == "deregistered" { count = try json.integer() } else { try json.skip() }
            }
            return count
        }
    }

    /// Adds a service elsewhere that the registry probes.
    ///
    /// - Parameter name: nil: made of the URL's host.
    /// - Returns: the instance's key, and whether it is new.
    public func addExternal(
        name: String?,
        url: String
    ) async throws(RegistryClientError) -> (key: InstanceKey, isNew: Bool) {
        var json = JSONWriter()
        json.beginObject()
        if let name { json.member("name", name) }
        json.member("url", url)
        json.endObject()
        let answer = try await send(.POST, "/v1/external", body: json.bytes)
        let key = try answer.read { (json) throws(RegistryModelError) in
            var service = ""
            var id = ""
            try json.object { (json, name) throws(RegistryModelError) in
                switch name {
                case "service": service = try json.string()
                case "id": id = try json.string()
                default: try json.skip()
                }
            }
            return InstanceKey(service: try ServiceName(service), id: try InstanceID(id))
        }
        return (key, answer.status == 201)
    }

    // MARK: Policies

    /// nil: it has none of its own.
    public func policy(of service: ServiceName) async throws(RegistryClientError) -> MeshPolicy? {
        try await send(.GET, "/v1/services/\(service)/policy").read { (json) throws(RegistryModelError) in
            var policy: MeshPolicy?
            try json.object { (json, name) throws(RegistryModelError) in
                guard name == "policy" else { return try json.skip() }
                if !json.takeNull() { policy = try MeshPolicy(from: &json) }
            }
            return policy
        }
    }

    /// Replaces it.
    public func setPolicy(_ policy: MeshPolicy, of service: ServiceName) async throws(RegistryClientError) {
        var json = JSONWriter()
        policy.write(to: &json)
        _ = try await send(.PUT, "/v1/services/\(service)/policy", body: json.bytes)
    }

    public func removePolicy(of service: ServiceName) async throws(RegistryClientError) {
        _ = try await send(.DELETE, "/v1/services/\(service)/policy")
    }

    // MARK: The guard

    public func guardReport() async throws(RegistryClientError) -> GuardReport {
        try await send(.GET, "/v1/guard").read { (json) throws(RegistryModelError) in try GuardReport(from: &json) }
    }

    public func overrideGuard(_ word: GuardOverride) async throws(RegistryClientError) -> GuardReport {
        var json = JSONWriter()
        json.beginObject()
        json.member("action", word == .hold ? "hold" : "release")
        json.endObject()
        return try await send(.POST, "/v1/guard", body: json.bytes).read { (json) throws(RegistryModelError) in
            try GuardReport(from: &json)
        }
    }

    private static func body(of registration: Registration) -> [UInt8] {
        var json = JSONWriter()
        json.beginObject()
        registration.instance.writeMembers(to: &json)
        if registration.health != .starting { json.member("status", registration.health.description) }
        json.endObject()
        return json.bytes
    }
}

extension RegistrationResult {
    init(from json: inout JSONReader) throws(RegistryModelError) {
        var read = RegistrationResult(result: "", handle: .none, sequence: .none, health: "")
        try json.object { (json, name) throws(RegistryModelError) in
            switch name {
            case "result": read.result = try json.string()
            case "handle": read.handle = InstanceHandle(try json.integer(as: UInt64.self))
            case "sequence": read.sequence = SequenceNumber(try json.integer(as: UInt64.self))
            case "status": read.health = try json.string()
            case "ttlMs": if !json.takeNull() { read.ttl = .milliseconds(try json.integer(as: Int64.self)) }
            default: try json.skip()
            }
        }
        self = read
    }
}

extension BulkResult {
    init(from json: inout JSONReader) throws(RegistryModelError) {
        var read = BulkResult(registered: 0, refusals: [], sequence: .none)
        var index = 0
        try json.object { (json, name) throws(RegistryModelError) in
            switch name {
            case "registered": read.registered = try json.integer()
            case "sequence": read.sequence = SequenceNumber(try json.integer(as: UInt64.self))
            case "results":
                try json.array { (json) throws(RegistryModelError) in
                    var code = ""
                    var detail = ""
                    try json.object { (json, name) throws(RegistryModelError) in
                        switch name {
                        case "code": code = try json.string()
                        case "detail": detail = try json.string()
                        default: try json.skip()
                        }
                    }
                    if !code.isEmpty { read.refusals.append(Refusal(index: index, code: code, detail: detail)) }
                    index += 1
                }
            default: try json.skip()
            }
        }
        self = read
    }
}

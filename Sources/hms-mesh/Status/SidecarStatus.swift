import Mesh
import RegistryModel

/// What `GET /status` of an admin socket tells.
struct SidecarStatus: Sendable {
    struct Upstream: Sendable {
        var service = ""
        /// False: nobody ever registered the name.
        var isKnown = true
        var usable = 0
        var total = 0
        var requests: UInt64 = 0
        var serverErrors: UInt64 = 0
        var retries: UInt64 = 0
        var breakerOpenMilliseconds: UInt64?
        var isExternal = false
        var recent = Recent()
        var rules: [Rule] = []
        var instances: [Instance] = []

        /// How many of them this sidecar leaves out for a while.
        var ejected: Int { instances.count { $0.ejectedMilliseconds != nil } }
    }

    /// Calls of the last seconds.
    struct Recent: Sendable, Equatable {
        var seconds = 10.0
        var requests: UInt64 = 0
        var succeeded: UInt64 = 0
        var retried: UInt64 = 0
        /// nil where there was no call.
        var medianMicroseconds: Int64?
        var tailMicroseconds: Int64?
    }

    /// A rule that calls are made by, and who said it.
    struct Rule: Sendable, Equatable {
        /// `retries`, `timeout_ms`, `per_try_timeout_ms`
        var name: String
        var value: UInt64
        var source: String
    }

    struct Instance: Sendable {
        var id = ""
        var failedTries: UInt64 = 0
        var failuresInARow: UInt64 = 0
        var ejectedMilliseconds: UInt64?
        /// How the last try there ended.
        var last = ""
    }

    var version = ""
    var pid: Int32?
    var applicationPort: UInt16?
    var service = ""
    var id = ""
    var health = ""
    var outbound = ""
    var inbound = ""
    var spiffeID = ""
    var registry = ""
    var isRegistryConnected = true
    var registryLostSince: Timestamp?
    var sequence: UInt64 = 0
    var startedAt = Timestamp(rawValue: 0)
    var time = Timestamp(rawValue: 0)
    var notAfter: Timestamp?
    /// Why the last renewal failed; nil: it did not.
    var renewalFailure: String?
    var upstreams: [Upstream] = []
    /// The document itself.
    var document: [UInt8] = []

    static func of(_ socket: String) async throws -> SidecarStatus {
        let answer = try await SidecarCaller(address: "unix:\(socket)").call(SidecarCaller.Request(path: "/status"))
        return try SidecarStatus(parsing: answer.body)
    }

    /// nil where it does not answer, or not soon.
    static func promptly(of socket: String) async -> SidecarStatus? {
        (try? await bounded(.seconds(2)) { try await SidecarStatus.of(socket) }) ?? nil
    }

    init(parsing document: [UInt8]) throws(RegistryModelError) {
        self = try JSONReader.parse(document) { (json) throws(RegistryModelError) in
            var status = SidecarStatus()
            try json.object { (json, name) throws(RegistryModelError) in try status.read(name, from: &json) }
            return status
        }
        self.document = document
    }

    private init() {}

    private mutating func read(_ name: String, from json: inout JSONReader) throws(RegistryModelError) {
        switch name {
        case "version": version = try json.string()
        case "pid": pid = try json.integer(as: Int32.self)
        case "application_port": applicationPort = try json.integer(as: UInt16.self)
        case "service": service = try json.string()
        case "id": id = try json.string()
        case "health": health = try json.string()
        case "outbound": outbound = try json.string()
        case "inbound": inbound = try json.string()
        case "spiffe_id": spiffeID = try json.string()
        case "registry": registry = try json.string()
        case "registry_lost_since": registryLostSince = Timestamp(rfc3339: try json.string())
        case "registry_connected": isRegistryConnected = try json.bool()
        case "sequence": sequence = try json.integer()
        case "started_at": startedAt = Timestamp(rfc3339: try json.string()) ?? startedAt
        case "time": time = Timestamp(rfc3339: try json.string()) ?? time
        case "certificate_not_after": notAfter = Timestamp(rfc3339: try json.string())
        case "renewal_failure": renewalFailure = try json.string()
        case "upstreams":
            try json.array { (json) throws(RegistryModelError) in upstreams.append(try Upstream(from: &json)) }
        default: try json.skip()
        }
    }
}

extension SidecarStatus.Upstream {
    fileprivate init(from json: inout JSONReader) throws(RegistryModelError) {
        var read = Self()
        try json.object { (json, name) throws(RegistryModelError) in
            switch name {
            case "service": read.service = try json.string()
            case "known": read.isKnown = try json.bool()
            case "usable": read.usable = try json.integer()
            case "total": read.total = try json.integer()
            case "requests": read.requests = try json.integer()
            case "server_errors": read.serverErrors = try json.integer()
            case "retries": read.retries = try json.integer()
            case "external": read.isExternal = try json.bool()
            case "recent": read.recent = try SidecarStatus.Recent(from: &json)
            case "rules": read.rules = try SidecarStatus.Rule.all(from: &json)
            case "breaker_open_ms": read.breakerOpenMilliseconds = try json.integer(as: UInt64.self)
            case "instances":
                try json.array { (json) throws(RegistryModelError) in
                    read.instances.append(try SidecarStatus.Instance(from: &json))
                }
            default: try json.skip()
            }
        }
        self = read
    }
}

extension SidecarStatus.Instance {
    fileprivate init(from json: inout JSONReader) throws(RegistryModelError) {
        var read = Self()
        try json.object { (json, name) throws(RegistryModelError) in
            switch name {
            case "id": read.id = try json.string()
            case "failed_tries": read.failedTries = try json.integer()
            case "failures_in_a_row": read.failuresInARow = try json.integer()
            case "ejected_ms": read.ejectedMilliseconds = try json.integer(as: UInt64.self)
            case "last": read.last = try json.string()
            default: try json.skip()
            }
        }
        self = read
    }
}

extension SidecarStatus.Recent {
    fileprivate init(from json: inout JSONReader) throws(RegistryModelError) {
        var read = Self()
        try json.object { (json, name) throws(RegistryModelError) in
            switch name {
            case "seconds": read.seconds = try json.double()
            case "requests": read.requests = try json.integer()
            case "succeeded": read.succeeded = try json.integer()
            case "retried": read.retried = try json.integer()
            case "p50_us": read.medianMicroseconds = try json.integer(as: Int64.self)
            case "p99_us": read.tailMicroseconds = try json.integer(as: Int64.self)
            default: try json.skip()
            }
        }
        self = read
    }
}

extension SidecarStatus.Rule {
    fileprivate static func all(from json: inout JSONReader) throws(RegistryModelError) -> [Self] {
        var rules: [Self] = []
        try json.object { (json, name) throws(RegistryModelError) in
            var rule = Self(name: name, value: 0, source: "")
            try json.object { (json, member) throws(RegistryModelError) in
                switch member {
                case "value": rule.value = try json.integer()
                case "source": rule.source = try json.string()
                default: try json.skip()
                }
            }
            rules.append(rule)
        }
        return rules
    }
}

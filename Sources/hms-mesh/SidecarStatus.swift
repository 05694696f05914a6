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
        var instances: [Instance] = []

        /// How many of them this sidecar leaves out for a while.
        var ejected: Int { instances.count { $0.ejectedMilliseconds != nil } }
    }

    struct Instance: Sendable {
        var id = ""
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
            case "ejected_ms": read.ejectedMilliseconds = try json.integer(as: UInt64.self)
            case "last": read.last = try json.string()
            default: try json.skip()
            }
        }
        self = read
    }
}

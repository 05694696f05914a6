import RegistryModel

/// What one sidecar says of itself and of the services that it calls: `GET /status` of its admin socket.
struct SidecarReading: Sendable, Equatable {
    struct Upstream: Sendable, Equatable {
        var service = ""
        /// False: nobody ever registered the name.
        var isKnown = true
        var usable = 0
        var total = 0
        var inFlight = 0
        /// How long its circuit breaker has been open; nil while it is closed.
        var breakerOpenMilliseconds: UInt64?
        var instances: [Instance] = []
    }

    /// An instance as this sidecar sees it.
    struct Instance: Sendable, Equatable {
        var id = ""
        var latencyMicroseconds: UInt64?
        /// How much longer it is left out; nil while it is not.
        var ejectedMilliseconds: UInt64?
        /// How the last try there ended.
        var last: String?
    }

    var service = ""
    var id = ""
    var version = ""
    var health = ""
    var isDraining = false
    var registry = ""
    var isRegistryConnected = true
    var sequence: UInt64 = 0
    var startedAt = Timestamp(rawValue: 0)
    var certificateEnds: Timestamp?
    var renewalFailure: String?
    var inFlight = 0
    var connections = 0
    var upstreams: [Upstream] = []

    init(parsing document: [UInt8]) throws(RegistryModelError) {
        self = try JSONReader.parse(document) { (json) throws(RegistryModelError) in
            var reading = SidecarReading()
            try json.object { (json, name) throws(RegistryModelError) in try reading.read(name, from: &json) }
            return reading
        }
    }

    private init() {}

    private mutating func read(_ name: String, from json: inout JSONReader) throws(RegistryModelError) {
        switch name {
        case "service": service = try json.string()
        case "id": id = try json.string()
        case "version": version = try json.string()
        case "health": health = try json.string()
        case "draining": isDraining = try json.bool()
        case "registry": registry = try json.string()
        case "registry_connected": isRegistryConnected = try json.bool()
        case "sequence": sequence = try json.integer()
        case "started_at": startedAt = Timestamp(rfc3339: try json.string()) ?? startedAt
        case "certificate_not_after": certificateEnds = Timestamp(rfc3339: try json.string())
        case "renewal_failure": renewalFailure = try json.string()
        case "in_flight": inFlight = try json.integer()
        case "connections": connections = try json.integer()
        case "upstreams":
            try json.array { (json) throws(RegistryModelError) in upstreams.append(try Upstream(from: &json)) }
        default: try json.skip()
        }
    }
}

extension SidecarReading.Upstream {
    fileprivate init(from json: inout JSONReader) throws(RegistryModelError) {
        var read = Self()
        try json.object { (json, name) throws(RegistryModelError) in
            switch name {
            case "service": read.service = try json.string()
            case "known": read.isKnown = try json.bool()
            case "usable": read.usable = try json.integer()
            case "total": read.total = try json.integer()
            case "in_flight": read.inFlight = try json.integer()
            case "breaker_open_ms": read.breakerOpenMilliseconds = try json.integer(as: UInt64.self)
            case "instances":
                try json.array { (json) throws(RegistryModelError) in
                    read.instances.append(try SidecarReading.Instance(from: &json))
                }
            default: try json.skip()
            }
        }
        self = read
    }
}

extension SidecarReading.Instance {
    fileprivate init(from json: inout JSONReader) throws(RegistryModelError) {
        var read = Self()
        try json.object { (json, name) throws(RegistryModelError) in
            switch name {
            case "id": read.id = try json.string()
            case "latency_us": read.latencyMicroseconds = try json.integer(as: UInt64.self)
            case "ejected_ms": read.ejectedMilliseconds = try json.integer(as: UInt64.self)
            case "last": read.last = try json.string()
            default: try json.skip()
            }
        }
        self = read
    }
}

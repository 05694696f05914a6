import RegistryModel

/// What `doctor` needs of a sidecar's `GET /status` beyond ``SidecarStatus``.
struct SidecarDetails: Sendable {
    struct Upstream: Sendable {
        var service = ""
        var isKnown = true
        var usable = 0
        var total = 0
        var breakerOpenMilliseconds: UInt64?
        var instances: [Instance] = []
    }

    struct Instance: Sendable {
        var id = ""
        var ejectedMilliseconds: UInt64?
        /// How the last try there ended.
        var last = ""
    }

    var registry = ""
    var registryLostSince: Timestamp?
    var renewalFailure: String?
    var version = ""
    var pid: Int32?
    var applicationPort: UInt16?
    var upstreams: [Upstream] = []

    init() {}

    init(parsing document: [UInt8]) throws(RegistryModelError) {
        self = try JSONReader.parse(document) { (json) throws(RegistryModelError) in
            var read = SidecarDetails()
            try json.object { (json, name) throws(RegistryModelError) in
                switch name {
                case "registry": read.registry = try json.string()
                case "registry_lost_since": read.registryLostSince = Timestamp(rfc3339: try json.string())
                case "renewal_failure": read.renewalFailure = try json.string()
                case "version": read.version = try json.string()
                case "pid": read.pid = try json.integer(as: Int32.self)
                case "application_port": read.applicationPort = try json.integer(as: UInt16.self)
                case "upstreams":
                    try json.array { (json) throws(RegistryModelError) in
                        read.upstreams.append(try Upstream(from: &json))
                    }
                default: try json.skip()
                }
            }
            return read
        }
    }
}

extension SidecarDetails.Upstream {
    fileprivate init(from json: inout JSONReader) throws(RegistryModelError) {
        var read = Self()
        try json.object { (json, name) throws(RegistryModelError) in
            switch name {
            case "service": read.service = try json.string()
            case "known": read.isKnown = try json.bool()
            case "usable": read.usable = try json.integer()
            case "total": read.total = try json.integer()
            case "breaker_open_ms": read.breakerOpenMilliseconds = try json.integer(as: UInt64.self)
            case "instances":
                try json.array { (json) throws(RegistryModelError) in
                    read.instances.append(try SidecarDetails.Instance(from: &json))
                }
            default: try json.skip()
            }
        }
        self = read
    }
}

extension SidecarDetails.Instance {
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

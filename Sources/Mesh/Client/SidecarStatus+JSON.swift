public import RegistryModel

extension SidecarStatus {
    /// - Throws: what is no such document. Keys that this version does not know are passed over.
    public init(parsing document: [UInt8]) throws(RegistryModelError) {
        self = try JSONReader.parse(document) { (json) throws(RegistryModelError) in
            try SidecarStatus(from: &json)
        }
        self.document = document
    }

    init(from json: inout JSONReader) throws(RegistryModelError) {
        var status = SidecarStatus()
        try json.object { (json, name) throws(RegistryModelError) in try status.read(name, from: &json) }
        self = status
    }

    private mutating func read(_ name: String, from json: inout JSONReader) throws(RegistryModelError) {
        switch name {
        case "version": version = try json.string()
        case "pid": pid = try json.integer(as: Int32.self)
        case "application_port": applicationPort = try json.integer(as: UInt16.self)
        case "service": service = try json.string()
        case "id": id = try json.string()
        case "health": health = try json.string()
        case "draining": isDraining = try json.bool()
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
        case "in_flight": inFlight = try json.integer()
        case "connections": connections = try json.integer()
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
            case "in_flight": read.inFlight = try json.integer()
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
            case "latency_us": read.latencyMicroseconds = try json.integer(as: UInt64.self)
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

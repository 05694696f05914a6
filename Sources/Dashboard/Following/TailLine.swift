import RegistryModel

/// As much of a line of an access log as it takes to tell whom it is about.
struct TailLine: Sendable, Equatable {
    var isOutbound = false
    var from = ""
    var to = ""
    /// Instances that were tried.
    var instances: Set<String> = []
    /// Lines that the sidecar left out before this one.
    var skipped: Int?

    /// nil for what is no such line.
    init?(_ line: ArraySlice<UInt8>) {
        var read = TailLine()
        do throws(RegistryModelError) {
            try JSONReader.parse(Array(line)) { (json) throws(RegistryModelError) in
                try json.object { (json, name) throws(RegistryModelError) in
                    switch name {
                    case "direction": read.isOutbound = try json.string() == "outbound"
                    case "from": read.from = try json.string()
                    case "to": read.to = try json.string()
                    case "skipped": read.skipped = try json.integer()
                    case "tries":
                        try json.array { (json) throws(RegistryModelError) in
                            try json.object { (json, name) throws(RegistryModelError) in
                                if name == "instance" {
                                    read.instances.insert(try json.string())
                                } else {
                                    try json.skip()
                                }
                            }
                        }
                    default: try json.skip()
                    }
                }
            }
        } catch {
            return nil
        }
        self = read
    }

    private init() {}
}

/// Which lines a page that looks at a service, or at one instance of it, is shown.
///
/// A call that both ends log is shown once: as its caller tells it, which knows every try; but at an instance that has its
/// sidecar here as that one tells it, which knows all of its callers.
struct TailFilter: Sendable, Equatable {
    var service: String
    /// nil: all of them.
    var instance: String?

    /// - Parameters:
    ///   - sidecar: whose log it stands in.
    ///   - local: services that have a sidecar here.
    ///   - isInstanceLocal: whether the instance that is looked at has its own here.
    func shows(
        _ line: TailLine,
        of sidecar: (service: String, id: String),
        local: Set<String>,
        isInstanceLocal: Bool
    )
        -> Bool
    {
        guard let instance else {
            return line.isOutbound
                ? line.from == service || line.to == service : line.to == service && !local.contains(line.from)
        }
        if isInstanceLocal { return sidecar == (service, instance) }
        return line.isOutbound && line.to == service && line.instances.contains(instance)
    }
}

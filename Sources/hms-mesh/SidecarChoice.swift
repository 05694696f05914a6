import Glibc
import Mesh
import RegistryModel
import Supervision
import Terminal

/// The sidecars of this user on this machine, by their admin sockets.
enum SidecarSockets {
    static func directory() -> String? {
        UserDirectories(environment: Environment.variable)?.runtime
    }

    /// Paths of all that are there; some may be of sidecars that were killed.
    static func all() -> [String] {
        guard let directory = directory() else { return [] }
        return DirectoryListing.names(in: directory).filter { $0.hasPrefix("sidecar-") && $0.hasSuffix(".sock") }
            .map { "\(directory)/\($0)" }
    }
}

/// The sidecar that a command calls through: the one that is named, the nearest, else any of this user's.
struct SidecarChoice: Sendable {
    var service: String
    var outbound: String
    /// nil where only an address is known.
    var admin: String?

    /// - Parameter service: `--as`.
    /// - Throws: exit code 3 where there is none.
    static func find(as service: String?) async throws -> SidecarChoice {
        if let service { return try await named(service) }
        if let address = Environment.variable("HMS_MESH_ADDR"), !address.isEmpty {
            return SidecarChoice(service: "-", outbound: address, admin: nil)
        }
        if let near = SidecarFile.nearest() {
            return SidecarChoice(service: near.service, outbound: near.outbound, admin: near.admin)
        }
        for socket in SidecarSockets.all() {
            if let status = try? await SidecarStatus.of(socket) {
                return SidecarChoice(service: status.service, outbound: status.outbound, admin: socket)
            }
        }
        throw CommandError(
            "No sidecar runs here: calls need one",
            reasons: [
                "looked for HMS_MESH_ADDR, .hms/*/sidecar.json here and above, \(SidecarSockets.directory() ?? "-")/sidecar-*.sock"
            ],
            hint: "in a service's folder: hms-mesh dev",
            exitCode: .unreachable
        )
    }

    private static func named(_ service: String) async throws -> SidecarChoice {
        for socket in SidecarSockets.all() {
            guard let status = try? await SidecarStatus.of(socket), status.service == service else { continue }
            return SidecarChoice(service: service, outbound: status.outbound, admin: socket)
        }
        throw CommandError(
            "No sidecar of \(service) runs on this machine as this user",
            hint: "which there are: hms-mesh status",
            exitCode: .unreachable
        )
    }
}

/// What `GET /status` of an admin socket tells.
struct SidecarStatus: Sendable {
    struct Upstream: Sendable {
        var service = ""
        var usable = 0
        var total = 0
        var requests: UInt64 = 0
        var serverErrors: UInt64 = 0
        var retries: UInt64 = 0
        var breakerOpenMilliseconds: UInt64?
        var ejected = 0
    }

    var service = ""
    var id = ""
    var health = ""
    var outbound = ""
    var inbound = ""
    var spiffeID = ""
    var isRegistryConnected = true
    var sequence: UInt64 = 0
    var startedAt = Timestamp(rawValue: 0)
    var time = Timestamp(rawValue: 0)
    var notAfter: Timestamp?
    var upstreams: [Upstream] = []
    /// The document itself.
    var document: [UInt8] = []

    static func of(_ socket: String) async throws -> SidecarStatus {
        let answer = try await SidecarCaller(address: "unix:\(socket)").call(SidecarCaller.Request(path: "/status"))
        var status = try JSONReader.parse(answer.body) { (json) throws(RegistryModelError) in
            var status = SidecarStatus()
            try json.object { (json, name) throws(RegistryModelError) in try status.read(name, from: &json) }
            return status
        }
        status.document = answer.body
        return status
    }

    private mutating func read(_ name: String, from json: inout JSONReader) throws(RegistryModelError) {
        switch name {
        case "service": service = try json.string()
        case "id": id = try json.string()
        case "health": health = try json.string()
        case "outbound": outbound = try json.string()
        case "inbound": inbound = try json.string()
        case "spiffe_id": spiffeID = try json.string()
        case "registry_connected": isRegistryConnected = try json.bool()
        case "sequence": sequence = try json.integer()
        case "started_at": startedAt = Timestamp(rfc3339: try json.string()) ?? startedAt
        case "time": time = Timestamp(rfc3339: try json.string()) ?? time
        case "certificate_not_after": notAfter = Timestamp(rfc3339: try json.string())
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
            case "usable": read.usable = try json.integer()
            case "total": read.total = try json.integer()
            case "requests": read.requests = try json.integer()
            case "server_errors": read.serverErrors = try json.integer()
            case "retries": read.retries = try json.integer()
            case "breaker_open_ms": read.breakerOpenMilliseconds = try json.integer(as: UInt64.self)
            case "instances":
                try json.array { (json) throws(RegistryModelError) in
                    var isEjected = false
                    try json.object { (json, name) throws(RegistryModelError) in
                        if name == "ejected_ms" { isEjected = true }
                        try json.skip()
                    }
                    if isEjected { read.ejected += 1 }
                }
            default: try json.skip()
            }
        }
        self = read
    }
}

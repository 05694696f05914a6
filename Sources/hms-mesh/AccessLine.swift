import Mesh
import RegistryModel

/// A line of a sidecar's access log, read back.
struct AccessLine: Sendable {
    struct Try: Sendable {
        var instance = ""
        var status: Int?
        var failed: String?
        var microseconds: Int64 = 0
        var queueMicroseconds: Int64?
        /// TCP and TLS together.
        var connectMicroseconds: Int64?
        var tlsMicroseconds: Int64?
        /// From the call's beginning to the try's.
        var atMicroseconds: Int64 = 0
        var message: String?
        /// It was not sent, and may be tried again whatever it was.
        var isUndelivered = false
    }

    /// An instance that the sidecar did not pick for a reason of its own.
    struct LeftOut: Sendable {
        var instance = ""
        var why = ""
    }

    var time = Timestamp(rawValue: 0)
    var direction = ""
    var from = ""
    var to = ""
    var method = ""
    var path = ""
    var status = 0
    var error: String?
    var hint: String?
    var microseconds: Int64 = 0
    var bodyMicroseconds: Int64?
    var timeoutMilliseconds: Int64?
    var mostTries = 1
    var tries: [Try] = []
    var trace = ""
    /// Of the routing table; nil where nothing was routed.
    var sequence: UInt64?
    /// Instances that could be picked, of how many.
    var usable: Int?
    var candidates: Int?
    var leftOut: [LeftOut] = []
    var isMutualTLS = true
    var isTLS = false
    /// Lines that were left out before this one; all else is empty then.
    var skipped: UInt64?

    /// - Returns: nil where it is no such line.
    init?(_ line: ArraySlice<UInt8>) {
        var read: AccessLine?
        do throws(RegistryModelError) {
            read = try JSONReader.parse(Array(line)) { (json) throws(RegistryModelError) in try AccessLine(from: &json)
            }
        } catch {
            return nil
        }
        guard let read else { return nil }
        self = read
    }

    private init(from json: inout JSONReader) throws(RegistryModelError) {
        try json.object { (json, name) throws(RegistryModelError) in
            switch name {
            case "time": time = Timestamp(rfc3339: try json.string()) ?? time
            case "direction": direction = try json.string()
            case "from": from = try json.string()
            case "to": to = try json.string()
            case "method": method = try json.string()
            case "path": path = try json.string()
            case "status": status = try json.integer()
            case "error": error = try json.string()
            case "hint": hint = try json.string()
            case "duration_us": microseconds = try json.integer(as: Int64.self)
            case "body_us": bodyMicroseconds = try json.integer(as: Int64.self)
            case "timeout_ms": timeoutMilliseconds = try json.integer(as: Int64.self)
            case "max_tries": mostTries = try json.integer()
            case "tries": try json.array { (json) throws(RegistryModelError) in tries.append(try Try(from: &json)) }
            case "trace": trace = try json.string()
            case "sequence": sequence = try json.integer(as: UInt64.self)
            case "usable": usable = try json.integer()
            case "candidates": candidates = try json.integer()
            case "left_out":
                try json.array { (json) throws(RegistryModelError) in leftOut.append(try LeftOut(from: &json)) }
            case "mtls": isMutualTLS = try json.string() == "on"
            case "tls": isTLS = try json.string() == "on"
            case "skipped": skipped = try json.integer(as: UInt64.self)
            default: try json.skip()
            }
        }
    }
}

extension AccessLine.Try {
    fileprivate init(from json: inout JSONReader) throws(RegistryModelError) {
        var read = Self()
        try json.object { (json, name) throws(RegistryModelError) in
            switch name {
            case "instance": read.instance = try json.string()
            case "status": read.status = try json.integer()
            case "failed": read.failed = try json.string()
            case "duration_us": read.microseconds = try json.integer(as: Int64.self)
            case "at_us": read.atMicroseconds = try json.integer(as: Int64.self)
            case "queue_us": read.queueMicroseconds = try json.integer(as: Int64.self)
            case "tls_us": read.tlsMicroseconds = try json.integer(as: Int64.self)
            case "connect_us": read.connectMicroseconds = try json.integer(as: Int64.self)
            case "message": read.message = try json.string()
            case "delivered": read.isUndelivered = try json.string() == "no"
            default: try json.skip()
            }
        }
        self = read
    }
}

extension AccessLine.LeftOut {
    fileprivate init(from json: inout JSONReader) throws(RegistryModelError) {
        var read = Self()
        try json.object { (json, name) throws(RegistryModelError) in
            switch name {
            case "instance": read.instance = try json.string()
            case "why": read.why = try json.string()
            default: try json.skip()
            }
        }
        self = read
    }
}

extension AccessLine: TailSubject {
    var isOutbound: Bool { direction == "outbound" }
    var tookMicroseconds: Int64 { microseconds }

    func hasTry(_ isIt: (Int?, String?) -> Bool) -> Bool {
        tries.contains { isIt($0.status, $0.failed) }
    }
}

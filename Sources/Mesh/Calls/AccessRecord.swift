import NIOCore
import RegistryModel

/// One try, as the access log tells it.
struct TryRecord {
    var instance: String
    /// Where that is; nil where none was picked.
    var endpoint: Endpoint?
    /// nil where no spans are kept.
    var span: SpanID?
    /// A status, or what happened instead: `refused`, `timeout`, `reset`, …
    var result: TryResult
    var delivered: Bool?
    /// From the call's beginning to this try's.
    var at: TimeAmount
    var took: TimeAmount
    /// Before a connection was there or being made.
    var queue: TimeAmount?
    /// TCP and TLS together, where a connection was made for it.
    var connect: TimeAmount?
    /// Of ``connect``.
    var tls: TimeAmount?
    var isReused: Bool
    var message: String?
}

enum TryResult {
    case status(Int)
    case failed(String)
}

/// What the access log says of one request. Never fields, never bodies.
struct AccessRecord {
    enum Direction: String {
        case outbound, inbound
    }

    var direction: Direction
    var time: Timestamp
    var from: String
    var to: String
    var method: String
    var path: String
    var status: Int
    var error: String?
    var hint: String?
    var tries: [TryRecord]
    var mostTries: Int
    var received: Int
    var sent: Int
    var took: TimeAmount
    /// From the response's head to its end; nil where there was none.
    var body: TimeAmount?
    /// What the call had, until the response's head.
    var timeout: TimeAmount
    var traceID: TraceID
    /// nil where no spans are kept.
    var span: SpanPlace?
    /// Of the routing table; nil on the inbound side, which routes nothing.
    var sequence: SequenceNumber?
    var usable: Int?
    var total: Int?
    var leftOut: [(InstanceKey, reason: String)] = []
    var isMutualTLS: Bool
    var isTLS: Bool

    func write(to json: inout JSONWriter) {
        json.beginObject()
        json.member("time", time)
        json.member("direction", direction.rawValue)
        json.member("from", from)
        json.member("to", to)
        json.member("method", method)
        json.member("path", path)
        json.member("status", status)
        if let error { json.member("error", error) }
        if let hint { json.member("hint", hint) }
        json.member("duration_us", took.microseconds)
        if let body { json.member("body_us", body.microseconds) }
        json.member("timeout_ms", timeout.milliseconds)
        json.member("bytes_in", received)
        json.member("bytes_out", sent)
        json.member("max_tries", mostTries)
        json.key("tries")
        json.beginArray()
        for record in tries { record.write(to: &json) }
        json.endArray()
        json.key("trace")
        traceID.withDigits { json.write(unescaped: $0) }
        if let sequence { json.member("sequence", sequence.rawValue) }
        if let usable { json.member("usable", usable) }
        if let total { json.member("candidates", total) }
        if !leftOut.isEmpty {
            json.key("left_out")
            json.beginArray()
            for (key, reason) in leftOut {
                json.beginObject()
                json.member("instance", key.id.description)
                json.member("why", reason)
                json.endObject()
            }
            json.endArray()
        }
        json.member("mtls", isMutualTLS ? "on" : "off")
        if !isMutualTLS, isTLS { json.member("tls", "on") }
        json.endObject()
    }
}

extension TryRecord {
    func write(to json: inout JSONWriter) {
        json.beginObject()
        json.member("instance", instance)
        switch result {
        case .status(let status): json.member("status", status)
        case .failed(let what): json.member("failed", what)
        }
        if let delivered { json.member("delivered", delivered ? "unknown" : "no") }
        json.member("at_us", at.microseconds)
        json.member("duration_us", took.microseconds)
        if let queue { json.member("queue_us", queue.microseconds) }
        if let connect { json.member("connect_us", connect.microseconds) }
        if let tls { json.member("tls_us", tls.microseconds) }
        if isReused { json.member("reused", true) }
        if let message { json.member("message", message) }
        json.endObject()
    }
}

extension TimeAmount {
    /// Whole ones, rounded down.
    var microseconds: Int64 { nanoseconds / 1_000 }
}

import NIOCore
import RegistryModel

/// Requests as OpenTelemetry spans, in the JSON form of OTLP 1.x (`ExportTraceServiceRequest`): one for each call, one for
/// each try of it, one for each request that came in, named by the semantic conventions for HTTP.
struct SpanBatch: Sendable {
    /// `SpanKind`
    private enum Kind: Int {
        case `internal` = 1
        case server = 2
        case client = 3
    }

    /// What is said once for all spans.
    struct Resource: Sendable {
        var service: String
        var instance: String
        var version: String
        var programVersion: String
    }

    private static let methods: Set<String> = [
        "CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "TRACE",
    ]

    let resource: Resource

    func json(_ records: [AccessRecord]) -> [UInt8] {
        var json = JSONWriter(reservingCapacity: 1_024 * (records.count + 1))
        json.beginObject()
        json.key("resourceSpans")
        json.beginArray()
        json.beginObject()
        json.key("resource")
        json.beginObject()
        json.key("attributes")
        json.beginArray()
        attribute("service.name", resource.service, to: &json)
        attribute("service.instance.id", resource.instance, to: &json)
        if !resource.version.isEmpty { attribute("service.version", resource.version, to: &json) }
        json.endArray()
        json.endObject()
        json.key("scopeSpans")
        json.beginArray()
        json.beginObject()
        json.key("scope")
        json.beginObject()
        json.member("name", "hms-mesh")
        json.member("version", resource.programVersion)
        json.endObject()
        json.key("spans")
        json.beginArray()
        for record in records { write(record, to: &json) }
        json.endArray()
        json.endObject()
        json.endArray()
        json.endObject()
        json.endArray()
        json.endObject()
        return json.bytes
    }

    private func write(_ record: AccessRecord, to json: inout JSONWriter) {
        guard let place = record.span else { return }
        let isCall = record.direction == .outbound && record.isRouted
        let method = Self.methods.contains(record.method) ? record.method : "HTTP"
        span(
            record,
            id: place.own.description,
            parent: place.parent?.description,
            name: isCall ? "\(method) \(record.to)" : method,
            kind: record.direction == .inbound ? .server : isCall ? .internal : .client,
            from: record.time.rawValue,
            took: record.took.nanoseconds,
            error: record.error ?? (record.status >= 500 ? String(record.status) : nil),
            to: &json
        ) { json in
            common(record, to: &json)
            attribute("http.response.status_code", record.status, to: &json)
            if record.direction == .inbound {
                attribute("url.scheme", "http", to: &json)
                attribute("hms.caller", record.from, to: &json)
            } else {
                attribute(isCall ? "peer.service" : "server.address", record.to, to: &json)
            }
            if isCall { attribute("hms.tries", record.tries.count, to: &json) }
            if let sequence = record.sequence {
                attribute("hms.registry.sequence", Int(clamping: sequence.rawValue), to: &json)
            }
        }
        for (index, attempt) in record.tries.enumerated() {
            write(attempt, index, of: record, place, method, to: &json)
        }
    }

    private func write(
        _ attempt: TryRecord,
        _ index: Int,
        of record: AccessRecord,
        _ place: SpanPlace,
        _ method: String,
        to json: inout JSONWriter
    ) {
        guard let id = attempt.span else { return }
        let isLast = index == record.tries.count - 1
        var status: Int?
        var error: String?
        switch attempt.result {
        case .status(let code):
            status = code
            // For whoever sent it a 4xx is a failure too (semantic conventions for HTTP spans, "Status").
            error = code >= 400 ? String(code) : nil
        case .failed(let word): error = word
        }
        let took = attempt.took + (isLast && status != nil ? record.body ?? .zero : .zero)
        span(
            record,
            id: id.description,
            parent: place.own.description,
            name: method,
            kind: .client,
            from: record.time.rawValue + attempt.at.nanoseconds,
            took: took.nanoseconds,
            error: error,
            to: &json
        ) { json in
            common(record, to: &json)
            attribute("peer.service", record.to, to: &json)
            attribute("hms.instance", attempt.instance, to: &json)
            if let endpoint = attempt.endpoint {
                attribute("server.address", endpoint.host, to: &json)
                attribute("server.port", Int(endpoint.port), to: &json)
            }
            if let status { attribute("http.response.status_code", status, to: &json) }
            if index > 0 { attribute("http.request.resend_count", index, to: &json) }
        }
    }

    private func common(_ record: AccessRecord, to json: inout JSONWriter) {
        let isKnown = Self.methods.contains(record.method)
        attribute("http.request.method", isKnown ? record.method : "_OTHER", to: &json)
        if !isKnown { attribute("http.request.method_original", record.method, to: &json) }
        if !record.path.isEmpty { attribute("url.path", record.path, to: &json) }
    }

    private func span(
        _ record: AccessRecord,
        id: String,
        parent: String?,
        name: String,
        kind: Kind,
        from begin: Int64,
        took: Int64,
        error: String?,
        to json: inout JSONWriter,
        _ attributes: (inout JSONWriter) -> Void
    ) {
        json.beginObject()
        json.member("traceId", record.trace)
        json.member("spanId", id)
        if let parent { json.member("parentSpanId", parent) }
        json.member("name", name)
        json.member("kind", kind.rawValue)
        json.member("startTimeUnixNano", String(begin))
        json.member("endTimeUnixNano", String(begin + max(0, took)))
        json.key("attributes")
        json.beginArray()
        attributes(&json)
        if let error { attribute("error.type", error, to: &json) }
        json.endArray()
        if error != nil {
            json.key("status")
            json.beginObject()
            json.member("code", 2)
            json.endObject()
        }
        json.endObject()
    }

    private func attribute(_ key: String, _ value: String, to json: inout JSONWriter) {
        attribute(key, "stringValue", value, to: &json)
    }

    /// 64-bit numbers are strings in Protobuf's JSON.
    private func attribute(_ key: String, _ value: Int, to json: inout JSONWriter) {
        attribute(key, "intValue", String(value), to: &json)
    }

    private func attribute(_ key: String, _ kind: String, _ value: String, to json: inout JSONWriter) {
        json.beginObject()
        json.member("key", key)
        json.key("value")
        json.beginObject()
        json.member(kind, value)
        json.endObject()
        json.endObject()
    }
}

extension AccessRecord {
    /// A call of a service, whose instances were tried; not what is passed on as it is.
    fileprivate var isRouted: Bool { sequence != nil }
}

import NIOCore
import NIOHTTP1
import RegistryClient
import RegistryModel

/// An answer that is whole before it is sent.
struct PageReply: Sendable {
    var status = HTTPResponseStatus.ok
    var type: String
    var body: [UInt8]

    init(_ body: [UInt8], type: String) {
        self.body = body
        self.type = type
    }

    init(json: consuming JSONWriter) {
        self.init(json.bytes, type: "application/json")
    }

    /// `{"error":…,"hint"?:…}`
    init(_ status: HTTPResponseStatus, _ message: String, hint: String? = nil) {
        var json = JSONWriter()
        json.beginObject()
        json.member("error", message)
        if let hint { json.member("hint", hint) }
        json.endObject()
        self.init(json: json)
        self.status = status
    }

    /// The registry's own word, with its status where it had one.
    init(_ error: RegistryClientError) {
        self.init(
            error.status.map { HTTPResponseStatus(statusCode: $0) } ?? .badGateway,
            error.message,
            hint: error.hint
        )
    }

    var head: HTTPResponseHead {
        var fields = Self.fields(type: type)
        fields.add(name: "content-length", value: String(body.count))
        return HTTPResponseHead(version: .http1_1, status: status, headers: fields)
    }

    /// Of every answer: nothing of elsewhere is loaded or run, nothing frames the page, and nothing is kept.
    static func fields(type: String) -> HTTPHeaders {
        HTTPHeaders([
            ("content-type", type),
            (
                "content-security-policy",
                "default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
            ),
            ("cross-origin-resource-policy", "same-origin"), ("cross-origin-opener-policy", "same-origin"),
            ("x-content-type-options", "nosniff"), ("referrer-policy", "no-referrer"), ("cache-control", "no-store"),
        ])
    }
}

import HTTPTypes
import Hummingbird
import NIOCore
import NIOHTTP1
import RegistryModel

/// An answer as a value: the hot paths write it to the channel, the router's routes turn it into a `Response`.
struct Reply: Sendable {
    var status: Int
    var contentType = "application/json"
    var body: ByteBuffer
    /// Names in lower case.
    var headers: [(name: String, value: String)] = []

    init(status: Int = 200, body: ByteBuffer = ByteBuffer()) {
        self.status = status
        self.body = body
    }

    init(status: Int = 200, json: consuming JSONWriter) {
        self.init(status: status, body: ByteBuffer(bytes: json.bytes))
    }

    init(_ problem: ProblemDetails) {
        self.init(status: problem.status, json: problem.json)
        contentType = "application/problem+json"
        if let seconds = problem.retryAfterSeconds { headers.append(("retry-after", String(seconds))) }
        if let allow = problem.allow { headers.append(("allow", allow)) }
    }

    /// For the router's routes.
    var response: Response {
        var fields = HTTPFields()
        fields[.contentType] = contentType
        for (name, value) in headers {
            if let field = HTTPField.Name(name) { fields[field] = value }
        }
        return Response(status: .init(code: status), headers: fields, body: .init(byteBuffer: body))
    }

    /// For the hot paths.
    func head(version: HTTPVersion, keepAlive: Bool) -> HTTPResponseHead {
        var fields = HTTPHeaders()
        fields.reserveCapacity(headers.count + 3)
        if status != 304 {
            fields.add(name: "content-type", value: contentType)
            fields.add(name: "content-length", value: String(body.readableBytes))
        }
        for (name, value) in headers { fields.add(name: name, value: value) }
        if !keepAlive { fields.add(name: "connection", value: "close") }
        return HTTPResponseHead(version: version, status: .init(statusCode: status), headers: fields)
    }
}

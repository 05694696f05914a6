import Identity
import MaterializedView
import Registry
import RegistryModel

/// An error as RFC 9457 problem JSON: the one place where errors become answers.
struct ProblemDetails: Error, Sendable {
    var code: String
    var status: Int
    var title: String
    var detail: String
    var hint: String?
    var nearest: [String] = []
    var retryAfterSeconds: Int?
    /// Methods that the resource has, for 405.
    var allow: String?
    /// The event is on record although the answer is an error.
    var isRecorded = false

    init(code: String, status: Int, title: String, detail: String, hint: String? = nil) {
        self.code = code
        self.status = status
        self.title = title
        self.detail = detail
        self.hint = hint
    }

    static func badRequest(_ detail: String, hint: String? = nil) -> ProblemDetails {
        ProblemDetails(code: "bad-request", status: 400, title: "Bad request", detail: detail, hint: hint)
    }

    static func unknownService(_ name: String, among known: [String]) -> ProblemDetails {
        var problem = ProblemDetails(
            code: "unknown-service",
            status: 404,
            title: "Unknown service",
            detail: "no service \(name) is registered"
        )
        problem.nearest = NearestName.matches(for: name, in: known)
        if let first = problem.nearest.first { problem.hint = "did you mean \(first)?" }
        return problem
    }

    static let bodyTooLarge = ProblemDetails(
        code: "body-too-large",
        status: 413,
        title: "Body too large",
        detail: "a body may have \(RequestLimits.bodyBytes) bytes",
        hint: "send arrays in pieces"
    )

    static let readOnlyDoor = ProblemDetails(
        code: "read-only-door",
        status: 403,
        title: "Read-only door",
        detail: "this door only reads",
        hint: "write through the operator's socket: hms-reg --registry unix:DATA/regd.sock"
    )

    static func notAllowed(_ detail: String, hint: String? = nil) -> ProblemDetails {
        ProblemDetails(code: "not-allowed", status: 403, title: "Not allowed", detail: detail, hint: hint)
    }

    static func unknownPath(_ path: String) -> ProblemDetails {
        ProblemDetails(
            code: "unknown-path",
            status: 404,
            title: "Unknown path",
            detail: "there is nothing at \(path.prefix(200))",
            hint: "the API's paths begin with /v1/"
        )
    }

    static func methodNotAllowed(_ method: String, allow: String) -> ProblemDetails {
        var problem = ProblemDetails(
            code: "method-not-allowed",
            status: 405,
            title: "Method not allowed",
            detail: "\(method) is not for this path; \(allow) is"
        )
        problem.allow = allow
        return problem
    }

    static func unknownParameter(_ name: String, known: [String]) -> ProblemDetails {
        let nearest = NearestName.matches(for: name, in: known, limit: 1).first
        return .badRequest(
            "unknown query parameter \(name.prefix(80))",
            hint: nearest.map { "did you mean \($0)?" } ?? "known here: \(known.joined(separator: ", "))"
        )
    }

    /// Whatever went wrong, as an answer.
    init(_ error: any Error) {
        switch error {
        case let problem as ProblemDetails: self = problem
        case let error as RegistryError: self.init(error)
        case let error as RegistryModelError: self = .badRequest(error.message)
        case let error as IdentityError: self.init(error)
        case let refusal as PeerAuthorization.Refusal:
            self.init(
                code: refusal.code.description,
                status: 403,
                title: "Not allowed",
                detail: refusal.message,
                hint: refusal.code == .callerRevoked
                    ? "an operator makes a token for a new one: hms-reg token create" : nil
            )
        case let error as ViewError:
            self.init(code: "view-failed", status: 503, title: "View failed", detail: "\(error)")
        default:
            self.init(code: "internal", status: 500, title: "Internal error", detail: "\(error)")
        }
    }

    init(_ error: RegistryError) {
        let (status, title) = Self.meaning(of: error.code)
        self.init(
            code: error.code.description,
            status: status,
            title: title,
            detail: error.message,
            hint: error.hint
        )
        isRecorded = error.isRecorded
        if error.code == .overloaded { retryAfterSeconds = 1 }
        if error.code == .diskFull { retryAfterSeconds = 10 }
    }

    private static func meaning(of code: RegistryError.Code) -> (status: Int, title: String) {
        switch code {
        case .badRequest: (400, "Bad request")
        case .unknownService: (404, "Unknown service")
        case .unknownInstance: (404, "Unknown instance")
        case .unknownCertificate: (404, "Unknown certificate")
        case .notYours: (409, "Not yours")
        case .notAllowed: (403, "Not allowed")
        case .badToken: (403, "Bad token")
        case .callerRevoked: (403, "Revoked")
        case .superseded: (412, "Superseded")
        case .tooManyInstances: (422, "Too many instances")
        case .tooManyTokens: (422, "Too many tokens")
        case .overloaded: (503, "Overloaded")
        case .stopping: (503, "Stopping")
        case .viewFailed: (503, "View failed")
        case .logFailed: (503, "Log failed")
        case .diskFull: (507, "Disk full")
        default: (500, "Internal error")
        }
    }

    var json: JSONWriter {
        var json = JSONWriter()
        json.beginObject()
        json.member("type", "urn:hms:error:\(code)")
        json.member("title", title)
        json.member("status", status)
        json.member("code", code)
        json.member("detail", detail)
        if let hint { json.member("hint", hint) }
        if !nearest.isEmpty { json.member("nearest", nearest) }
        if isRecorded { json.member("outcome", "recorded") }
        json.endObject()
        return json
    }
}

/// Bounds of what a request may be.
enum RequestLimits {
    static let bodyBytes = 1_024 * 1_024
    static let headBytes = 16 * 1_024
    static let headFields = 100
    static let heartbeats = 10_000
    static let watchedServices = 512
    static let listedServices = 10_000
    /// Bytes of a request id that go on record.
    static let requestIDBytes = 128
    /// How long `after=` waits.
    static let awaitedSequence = Duration.seconds(10)

    /// `x-request-id` as it goes on record; empty where there is none, or none worth keeping.
    static func requestID(_ header: String?) -> String {
        guard let header, header.utf8.count <= requestIDBytes, header.isPrintable else { return "" }
        return header
    }
}

extension ProblemDetails {
    fileprivate init(_ error: IdentityError) {
        let code = error.code.description
        switch error.code {
        case .storage, .authorityExpired:
            self.init(code: code, status: 503, title: "Authority failed", detail: error.message)
        case .rotationUnderWay, .noRotation:
            self.init(code: code, status: 409, title: "Not in this phase", detail: error.message)
        case .unfitAuthority:
            self.init(code: code, status: 422, title: "Unfit authority", detail: error.message)
        default: self = .badRequest(error.message)
        }
    }
}

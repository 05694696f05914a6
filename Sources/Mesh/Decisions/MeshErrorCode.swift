import RegistryModel

/// What a sidecar can say itself instead of an application's answer: the header `x-hms-error`, the JSON body, the
/// client's error type, the documentation and the metrics all come from here.
enum MeshErrorCode: String, Sendable, CaseIterable, CustomStringConvertible {
    case unknownService = "unknown-service"
    case noInstances = "no-instances"
    case connectFailed = "connect-failed"
    case tlsFailed = "tls-failed"
    case wrongPeer = "wrong-peer"
    case clockSkew = "clock-skew"
    case certificateExpired = "certificate-expired"
    case callerNotAllowed = "caller-not-allowed"
    case callerRevoked = "caller-revoked"
    case appRefused = "app-refused"
    case appReset = "app-reset"
    case timeout
    case deadline
    case breakerOpen = "breaker-open"
    case overloaded
    case budgetSpent = "budget-spent"
    case draining
    case notRetried = "not-retried"
    case egressDenied = "egress-denied"
    case wrongProtocol = "wrong-protocol"
    case badRequest = "bad-request"

    /// Where in the chain of application, sidecar, sidecar, application it failed.
    enum Hop: String, Sendable, CaseIterable {
        case caller
        /// The caller's sidecar.
        case outbound
        /// Between the sidecars.
        case network
        /// The sidecar of the service called.
        case inbound
        /// The application called.
        case app
    }

    var description: String {
        rawValue
    }

    var status: Int {
        switch self {
        case .unknownService, .connectFailed, .tlsFailed, .wrongPeer, .clockSkew, .appReset, .notRetried,
            .wrongProtocol:
            502
        case .noInstances, .certificateExpired, .appRefused, .breakerOpen, .overloaded, .budgetSpent, .draining: 503
        case .timeout, .deadline: 504
        case .callerNotAllowed, .callerRevoked, .egressDenied: 403
        case .badRequest: 400
        }
    }

    /// The `grpc-status` of a trailers-only answer.
    var grpcStatus: Int {
        switch self {
        case .timeout, .deadline: GRPCStatus.deadlineExceeded
        case .callerNotAllowed, .egressDenied: GRPCStatus.permissionDenied
        case .callerRevoked: GRPCStatus.unauthenticated
        case .badRequest, .wrongProtocol: GRPCStatus.internal
        case .unknownService, .noInstances, .connectFailed, .tlsFailed, .wrongPeer, .clockSkew, .certificateExpired,
            .appRefused, .appReset, .breakerOpen, .overloaded, .budgetSpent, .draining, .notRetried:
            GRPCStatus.unavailable
        }
    }

    /// Who failed, unless the error says otherwise.
    var hop: Hop {
        switch self {
        case .badRequest, .callerNotAllowed, .callerRevoked, .unknownService: .caller
        case .breakerOpen, .overloaded, .budgetSpent, .notRetried, .egressDenied, .certificateExpired, .clockSkew,
            .deadline, .noInstances:
            .outbound
        case .connectFailed, .tlsFailed, .wrongPeer: .network
        case .draining: .inbound
        case .appRefused, .appReset, .timeout, .wrongProtocol: .app
        }
    }

    /// Where it is the same each time; nil: it depends on what the tries came to.
    var fixedDelivery: Delivery? {
        switch self {
        case .unknownService, .noInstances, .connectFailed, .tlsFailed, .wrongPeer, .clockSkew, .certificateExpired,
            .callerNotAllowed, .callerRevoked, .appRefused, .overloaded, .draining, .egressDenied, .badRequest:
            .no
        case .appReset, .notRetried: .unknown
        case .timeout, .deadline, .breakerOpen, .budgetSpent, .wrongProtocol: nil
        }
    }

    /// Whether the answer of an inbound sidecar with this code carries `x-hms-retry: no`: another try would come to the
    /// same, or add to what is too much already.
    var forbidsRetry: Bool {
        switch self {
        case .overloaded, .deadline, .callerNotAllowed, .callerRevoked, .badRequest, .egressDenied, .budgetSpent,
            .notRetried:
            true
        case .unknownService, .noInstances, .connectFailed, .tlsFailed, .wrongPeer, .clockSkew, .certificateExpired,
            .appRefused, .appReset, .timeout, .breakerOpen, .draining, .wrongProtocol:
            false
        }
    }

    /// What to do, where it can be said without knowing more.
    var hint: String {
        switch self {
        case .unknownService: "all names: hms-reg list"
        case .noInstances: "why: hms-reg lookup SERVICE --all"
        case .connectFailed: "is its sidecar up? hms-mesh doctor"
        case .tlsFailed, .wrongPeer: "whose certificate is it? hms-mesh doctor"
        case .clockSkew: "set this machine's clock: sudo timedatectl set-ntp true"
        case .certificateExpired: "why it was not renewed: hms-mesh doctor"
        case .callerNotAllowed: "the service called lists its callers in its hms.yml: mesh.allow"
        case .callerRevoked: "what was revoked: hms-reg cert list"
        case .appRefused: "does the application listen on its port? hms-mesh doctor there"
        case .appReset: "what it wrote last: the log of the application called"
        case .timeout: "what is slow: hms-mesh tail --service SERVICE --slow 200ms"
        case .deadline: "the caller before gave less time than this call takes"
        case .breakerOpen: "what failed: hms-mesh tail --service SERVICE --status 5xx"
        case .overloaded: "send less at a time, or start more instances"
        case .budgetSpent: "too many calls fail to try each again: hms-mesh tail --service SERVICE --status 5xx"
        case .draining: "the instance is about to stop; others take the calls"
        case .notRetried: "if it may be sent twice, say so: an Idempotency-Key, or service.repeatable in its hms.yml"
        case .egressDenied: "list the destination in hms.yml: mesh.egress"
        case .wrongProtocol: "what the application speaks is said in its hms.yml: service.protocol"
        case .badRequest: "the request does not keep to HTTP, and is not passed on"
        }
    }
}

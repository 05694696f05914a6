/// How a try ended, as ejection, breaker, balancing and retries see it.
enum TryOutcome: Sendable, Equatable {
    /// The application's answer; `grpcStatus` where the call is gRPC and the status is known.
    case answered(status: Int, grpcStatus: Int?)
    case connectFailed
    case tlsFailed
    /// The connection ended before the answer's head.
    case reset
    /// Its own time was over (``CallRules/tryTimeout(isRepeatable:triesDone:remaining:)``).
    case timedOut
    /// The inbound sidecar answered instead of its application, and had delivered nothing: the application does not
    /// listen, the instance drains or has too much to do. (Not: the caller is not allowed. That is the caller's fault,
    /// an `answered`.)
    case refused
    /// The caller is gone, or the call's deadline came before the try had had its time: says nothing of the instance.
    case abandoned

    /// What counts towards ejection: gateway failures, never an application's own 500. For gRPC: UNAVAILABLE and
    /// DEADLINE_EXCEEDED, which stand for 503 and 504.
    var isGatewayFailure: Bool {
        switch self {
        case .answered(let status, let grpcStatus):
            (502...504).contains(status) || grpcStatus == GRPCStatus.unavailable
                || grpcStatus == GRPCStatus.deadlineExceeded
        case .connectFailed, .tlsFailed, .reset, .timedOut, .refused: true
        case .abandoned: false
        }
    }

    /// What counts towards the circuit breaker: nothing was there to talk to.
    var isSilence: Bool {
        switch self {
        case .connectFailed, .tlsFailed, .timedOut: true
        case .answered, .reset, .refused, .abandoned: false
        }
    }

    /// It would not take a request at all, and the next one fares no better: others come first for a while.
    var isRefusal: Bool {
        switch self {
        case .connectFailed, .tlsFailed, .refused: true
        case .answered, .reset, .timedOut, .abandoned: false
        }
    }

    /// The application's own failure: how fast it came is no merit.
    var isApplicationFailure: Bool {
        guard case .answered(let status, let grpcStatus) = self else { return false }
        return status >= 500 || status == 429 || grpcStatus.map(GRPCStatus.isApplicationFailure) == true
    }

    /// For people: `connect failed`, `503`.
    var summary: String {
        switch self {
        case .answered(let status, let grpcStatus):
            grpcStatus.map { $0 == 0 ? String(status) : "grpc-status \($0)" } ?? String(status)
        case .connectFailed: "connect failed"
        case .tlsFailed: "TLS failed"
        case .reset: "reset"
        case .timedOut: "timed out"
        case .refused: "refused"
        case .abandoned: "abandoned"
        }
    }
}

/// The status codes of gRPC that the mesh gives or reads.
enum GRPCStatus {
    static let unknown = 2
    static let deadlineExceeded = 4
    static let permissionDenied = 7
    static let resourceExhausted = 8
    static let `internal` = 13
    static let unavailable = 14
    static let dataLoss = 15
    static let unauthenticated = 16

    static func isApplicationFailure(_ status: Int) -> Bool {
        [unknown, resourceExhausted, `internal`, dataLoss].contains(status)
    }
}

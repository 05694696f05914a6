import NIOCore

/// Whether a call that failed is tried again.
enum RetryDecision: Sendable, Equatable {
    case retry(after: TimeAmount)
    case give(Reason)

    /// Why not.
    enum Reason: Sendable, Equatable {
        /// It is an answer: the application's, to be passed on.
        case isAnswer
        case callerIsGone
        case triesSpent
        /// It may have been delivered, and is not declared repeatable.
        case notRepeatable
        /// `x-hms-retry: no`.
        case calleeSaysNo
        /// The wait before the next try would outlast the call's time.
        case noTime
        case budgetSpent

        /// The code that tells the caller; nil: what the last try came to says it.
        var code: MeshErrorCode? {
            switch self {
            case .notRepeatable: .notRetried
            case .budgetSpent: .budgetSpent
            case .isAnswer, .callerIsGone, .triesSpent, .calleeSaysNo, .noTime: nil
            }
        }
    }
}

/// How long to wait before the next try: exponential, at random below the bound, so that callers that failed together do
/// not come back together.
enum RetryBackoff {
    static let base = TimeAmount.milliseconds(10)
    static let cap = TimeAmount.milliseconds(500)

    static func wait(triesDone: Int, using generator: inout some RandomNumberGenerator) -> TimeAmount {
        let ceiling = min(base.nanoseconds << Int64(min(max(0, triesDone - 1), 16)), cap.nanoseconds)
        return .nanoseconds(Int64.random(in: 0...ceiling, using: &generator))
    }
}

/// Decides after a try, and spends what it decides to spend.
///
/// - Parameters:
///   - triesDone: tries of this call that have ended, this one too.
///   - retryAfter: the answer's `Retry-After`.
///   - calleeSaysNo: the answer's `x-hms-retry: no`.
///   - remaining: what is left of the call's time.
func decide(
    outcome: TryOutcome,
    delivery: Delivery,
    isRepeatable: Bool,
    triesDone: Int,
    rules: CallRules,
    retryAfter: TimeAmount?,
    calleeSaysNo: Bool,
    remaining: TimeAmount,
    upstream: Upstream,
    now: NIODeadline,
    using generator: inout some RandomNumberGenerator
) -> RetryDecision {
    if outcome == .abandoned { return .give(.callerIsGone) }
    guard outcome.isWorthRetrying else { return .give(.isAnswer) }
    if calleeSaysNo { return .give(.calleeSaysNo) }
    guard triesDone <= rules.retries else { return .give(.triesSpent) }
    guard delivery == .no || isRepeatable else { return .give(.notRepeatable) }
    let wait = max(RetryBackoff.wait(triesDone: triesDone, using: &generator), retryAfter ?? .zero)
    guard wait < remaining else { return .give(.noTime) }
    guard upstream.takeRetry(now: now) else { return .give(.budgetSpent) }
    return .retry(after: wait)
}

extension TryOutcome {
    /// Failures of what lies before the application, and its 502, 503 and 504; never its own 500, never a 429, and no
    /// gRPC deadline, which another try could not keep either.
    fileprivate var isWorthRetrying: Bool {
        switch self {
        case .answered(let status, let grpcStatus):
            (502...504).contains(status) || grpcStatus == GRPCStatus.unavailable
        case .connectFailed, .tlsFailed, .reset, .timedOut, .refused: true
        case .abandoned: false
        }
    }
}

import NIOCore
import RegistryModel

/// What becomes of a call when a try did not do.
extension OutboundCall {
    // MARK: Names

    /// Waits for the name where it may yet appear: start-up order should not matter.
    func awaitName(_ now: NIODeadline, then answer: @escaping () -> Void) {
        let isPatient = plane.settings.patientUntil.map { now < $0 } ?? true
        let until = began + plane.settings.patience
        guard !entry.isSettled || isPatient, now < until, tries.isEmpty else { return answer() }
        phase = .waitingForName(until: until)
        entry.wait(self)
        arm(now: now)
    }

    func routesChanged() {
        guard case .waitingForName = phase else { return }
        phase = .connecting
        tryNext(now: .now())
    }

    /// The name did not come in time.
    func giveUpWaiting() {
        if entry.upstream.isKnown { noInstances(entry.upstream.whyNone) } else { unknownService() }
    }

    func unknownService() {
        let nearest = entry.nearest
        answer(
            error(
                .unknownService,
                entry.isSettled
                    ? "no service \(entry.service) is registered"
                    : "the registry has not said anything of \(entry.service) yet, and nothing is known from before",
                hint: nearest.isEmpty
                    ? "all names: hms-reg list"
                    : "did you mean \(nearest.joined(separator: ", "))? all names: hms-reg list"
            )
        )
    }

    func noInstances(_ why: String) {
        answer(error(.noInstances, why))
    }

    // MARK: Room

    /// A call under way has ended: it is this one's turn.
    func roomFreed() {
        guard case .waitingForRoom = phase else { return }
        entry.upstream.stopWaiting()
        phase = .connecting
        tryNext(now: .now())
    }

    func leaveQueue() {
        entry.leaveQueue(self)
        entry.upstream.stopWaiting()
        phase = .connecting
    }

    // MARK: Tries that failed

    /// A quick look, for the usual answer that needs none.
    func mayNeedAnotherTry(_ head: ResponseHead) -> Bool {
        if head.status >= 502, head.status <= 504 { return true }
        if head.block.first(.meshError) != nil { return true }
        guard let status = head.block.number(.grpcStatus) else { return false }
        return status == 14
    }

    /// - Returns: false where this answer is the one to pass on.
    func retry(after head: ResponseHead, now: NIODeadline) -> Bool {
        let meshCode = current?.externalURL == nil ? head.block.value(.meshError) : nil
        let delivery: Delivery = head.block.value(.meshDelivered) == "no" && meshCode != nil ? .no : .unknown
        let outcome: TryOutcome =
            delivery == .no && head.status >= 500
            ? .refused : .answered(status: head.status, grpcStatus: head.block.number(.grpcStatus).map { Int($0) })
        let decision = decideNext(
            outcome,
            delivery,
            retryAfter: head.block.number(.retryAfter).map { .seconds(Int64(clamping: $0)) },
            calleeSaysNo: head.block.value(.meshRetry) == "no",
            now: now
        )
        guard case .retry(let wait) = decision else { return false }
        let discarded = exchange
        exchange = nil
        settle(outcome, now: now)
        tries.append(
            record(
                meshCode.map { .failed($0) } ?? .status(head.status),
                delivery: delivery,
                message: nil,
                now: now
            )
        )
        discarded?.discard()
        backOff(wait, now: now)
        return true
    }

    func failed(_ failure: ExchangeFailure, now: NIODeadline) {
        let failure = explained(failure)
        let outcome: TryOutcome
        switch failure.kind {
        case .connect: outcome = .connectFailed
        case .tls: outcome = .tlsFailed
        case .reset, .malformed: outcome = .reset
        }
        let code = failure.code ?? failure.kind.code
        let decision = decideNext(outcome, failure.delivery, retryAfter: nil, calleeSaysNo: false, now: now)
        settle(outcome, now: now)
        tries.append(record(.failed(failure.kind.word), delivery: failure.delivery, message: failure.message, now: now))
        switch decision {
        case .retry(let wait): backOff(wait, now: now)
        case .give(let reason):
            answer(error(reason.code ?? code, explain(failure, reason), delivered: failure.delivery))
        }
    }

    func tryTimedOut(wasConnecting: Bool, now: NIODeadline) {
        let delivery: Delivery = wasConnecting ? .no : .unknown
        cancelTry()
        let decision: RetryDecision =
            now >= deadline
            ? .give(.noTime)
            : decideNext(.timedOut, delivery, retryAfter: nil, calleeSaysNo: false, now: now)
        settle(.timedOut, now: now)
        let what = wasConnecting ? "no connection" : "no answer"
        tries.append(
            record(
                .failed("timeout"),
                delivery: delivery,
                message: "\(what) within \(perTry.milliseconds) ms",
                now: now
            )
        )
        switch decision {
        case .retry(let wait): backOff(wait, now: now)
        case .give: timedOut(now)
        }
    }

    func timedOut(_ now: NIODeadline) {
        let tried = tries.count == 1 ? "1 try" : "\(tries.count) tries"
        answer(
            error(
                isDeadlineInherited ? .deadline : .timeout,
                "\(entry.service) did not answer within \(rules.timeout.milliseconds) ms (\(tried))",
                delivered: tries.contains { $0.delivered == true } ? .unknown : .no
            )
        )
    }

    private func decideNext(
        _ outcome: TryOutcome,
        _ delivery: Delivery,
        retryAfter: TimeAmount?,
        calleeSaysNo: Bool,
        now: NIODeadline
    ) -> RetryDecision {
        guard body.isWhole else { return .give(.notRepeatable) }
        return decide(
            outcome: outcome,
            delivery: delivery,
            isRepeatable: current.map(isRepeatable) ?? false,
            triesDone: tries.count + 1,
            rules: rules,
            retryAfter: retryAfter,
            calleeSaysNo: calleeSaysNo,
            remaining: deadline - now,
            upstream: entry.upstream,
            now: now,
            using: &plane.generator
        )
    }

    private func backOff(_ wait: TimeAmount, now: NIODeadline) {
        if let current { triedKeys.append(current.key) }
        current = nil
        guard wait > .nanoseconds(0) else { return tryNext(now: now) }
        phase = .backingOff(until: now + wait)
        arm(now: now)
    }

    private func explain(_ failure: ExchangeFailure, _ reason: RetryDecision.Reason) -> String {
        let place = current.map { "\($0.key) at \($0.endpoint)" } ?? entry.service.description
        var text = failure.kind == .tls ? "TLS handshake failed: " : ""
        text += failure.code.map { "\($0): " } ?? ""
        text += "\(failure.message) (\(place))"
        if let words = reason.words { text += "; not tried again: \(words)" }
        return text
    }

    /// A wrong clock makes good certificates look bad, and nothing in TLS says so.
    private func explained(_ failure: ExchangeFailure) -> ExchangeFailure {
        guard failure.mayBeClock, failure.code == nil, let clock = plane.connector.clockOffset.words else {
            return failure
        }
        var explained = failure
        explained.code = .clockSkew
        explained.message = "\(clock); \(failure.message)"
        return explained
    }

    // MARK: The end of a try

    /// The connection that the try had, or waited for, is not wanted any more.
    func cancelTry() {
        if let exchange {
            exchange.cancel()
        } else if let current {
            plane.pool(for: current.destination).cancel(self)
        }
        exchange = nil
    }

    /// Ends a try that somebody else than the callee ended.
    func endTry(_ outcome: TryOutcome, _ result: TryResult, delivery: Delivery?) {
        let now = NIODeadline.now()
        switch phase {
        case .waitingForName: entry.stopWaiting(self)
        case .waitingForRoom: leaveQueue()
        case .connecting, .awaitingHead:
            cancelTry()
            settle(outcome, now: now)
            if current != nil { tries.append(record(result, delivery: delivery, message: nil, now: now)) }
        case .streaming: cancelTry()
        case .backingOff, .over: break
        }
    }

    /// Tells balancer, ejection and breaker.
    func settle(_ outcome: TryOutcome, now: NIODeadline) {
        guard let current else { return }
        entry.upstream.ended(
            current.key,
            outcome,
            latency: now - tryBegan,
            perTryTimeout: perTry,
            handle: current.handle,
            now: now
        )
        entry.makeRoom()
    }

    func record(_ result: TryResult, delivery: Delivery?, message: String?, now: NIODeadline) -> TryRecord {
        TryRecord(
            instance: current?.key.id.description ?? "-",
            endpoint: current?.endpoint,
            span: trySpan,
            result: result,
            delivered: delivery.map { $0 == .unknown },
            at: tryBegan - began,
            took: now - tryBegan,
            queue: queueTook,
            connect: connectTook,
            tls: tlsTook,
            isReused: isReused,
            message: message
        )
    }

    // MARK: Answers of the mesh's own

    func error(_ code: MeshErrorCode, _ message: String, hint: String? = nil, delivered: Delivery? = nil) -> MeshError {
        MeshError(
            code,
            message,
            hint: hint,
            delivered: delivered,
            service: entry.service.description,
            instance: current?.key,
            attempts: tries.count
        )
    }

    func answer(_ error: MeshError, retryAfter: TimeAmount? = nil) {
        phase = .over
        error.write(to: writer, isGRPC: head.isGRPC, retryAfter: retryAfter)
        finish(status: error.code.status, error)
    }

    func log(status: Int, _ error: MeshError?, now: NIODeadline) {
        let externalURL = externalURL
        let record = AccessRecord(
            direction: .outbound,
            time: startedAt,
            from: plane.settings.caller,
            to: entry.service.description,
            method: head.block.text(head.method),
            path: plane.settings.paths.show(head.path(target)),
            status: status,
            error: error?.code.description,
            hint: error?.message,
            tries: tries,
            mostTries: rules.retries + 1,
            received: received,
            sent: sent,
            took: now - began,
            body: headAt.map { now - $0 },
            timeout: rules.timeout,
            traceID: trace.traceID,
            span: span.map { SpanPlace(own: $0, parent: trace.parentSpan) },
            sequence: plane.table.sequence,
            usable: candidates?.usable,
            total: candidates?.total,
            leftOut: candidates?.leftOut ?? [],
            isMutualTLS: externalURL == nil,
            isTLS: externalURL?.hasPrefix("https:") ?? true
        )
        plane.note(record)
    }

    /// Where the service is outside of the mesh: also where no instance of it was picked.
    private var externalURL: String? {
        if let current { return current.externalURL }
        return plane.table.routes(of: entry.service)?.instances.first?.externalURL
    }
}

extension ExchangeFailure.Kind {
    /// As the access log says it.
    fileprivate var word: String {
        switch self {
        case .connect: "refused"
        case .tls: "tls-failed"
        case .reset: "reset"
        case .malformed: "malformed"
        }
    }

    fileprivate var code: MeshErrorCode {
        switch self {
        case .connect: .connectFailed
        case .tls: .tlsFailed
        case .reset: .appReset
        case .malformed: .wrongProtocol
        }
    }
}

extension RetryDecision.Reason {
    /// For people, behind "not tried again"; nil where that goes without saying.
    fileprivate var words: String? {
        switch self {
        case .notRepeatable: "it may have been delivered, and nothing says that it may be sent twice"
        case .calleeSaysNo: "the callee forbids it"
        case .noTime: "no time is left"
        case .budgetSpent: "the retry budget is spent"
        case .triesSpent, .isAnswer, .callerIsGone: nil
        }
    }
}

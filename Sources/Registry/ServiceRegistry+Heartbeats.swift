public import RegistryModel

/// One heartbeat, as it came in.
public struct Heartbeat: Sendable, Equatable {
    public var key: InstanceKey
    /// What the instance says of itself; nil: that it is alive.
    public var status: Health?
    /// Words of a probe, at most 256 bytes; on record when they go with a change.
    public var detail: String
    public var ifMatch: IncarnationTag?

    public init(key: InstanceKey, status: Health? = nil, detail: String = "", ifMatch: IncarnationTag? = nil) {
        self.key = key
        self.status = status
        self.detail = detail
        self.ifMatch = ifMatch
    }
}

/// What became of a request's heartbeats.
public struct HeartbeatSummary: Sendable {
    public var time: Timestamp
    public var accepted = 0
    public var unknown: [InstanceKey] = []
    public var superseded: [InstanceKey] = []
    /// Those that change health: they are commands now.
    var reports: [Command] = []

    init(time: Timestamp) {
        self.time = time
    }
}

extension ServiceRegistry {
    /// Takes heartbeats. Those that change nothing are answered from memory, at once and on the caller's thread; the
    /// completion is called later, on a writer's thread, only where some change health.
    ///
    /// - Parameter completion: gets the error of the first change that could not be recorded, if any.
    public func heartbeat(
        _ heartbeats: [Heartbeat],
        actor: Actor,
        requestID: String = "",
        completion: @escaping @Sendable (HeartbeatSummary, RegistryError?) -> Void
    ) {
        let now = clock.now()
        var summary = HeartbeatSummary(time: now.time)
        for heartbeat in heartbeats {
            take(heartbeat, now, &summary)
        }
        guard !summary.reports.isEmpty else { return completion(summary, nil) }
        let answered = summary
        submit(summary.reports, actor: actor, requestID: requestID) { results in
            completion(answered.afterReports(results), results.firstFailure)
        }
    }

    private func take(_ heartbeat: Heartbeat, _ now: Now, _ summary: inout HeartbeatSummary) {
        let outcome = leases.beat(
            heartbeat.key,
            reported: heartbeat.status,
            ifMatch: heartbeat.ifMatch,
            now: now.monotonic
        )
        switch outcome {
        case .alive(let handle):
            beats.note(handle, at: now.time)
            metrics.heartbeats.add(1)
            summary.accepted += 1
        case .mustReport(let handle):
            beats.note(handle, at: now.time)
            metrics.heartbeats.add(1)
            summary.accepted += 1
            summary.reports.append(
                .report(
                    heartbeat.key,
                    handle: handle,
                    reported: heartbeat.status,
                    detail: heartbeat.detail,
                    isProbe: false
                )
            )
        case .unknown: summary.unknown.append(heartbeat.key)
        case .superseded: summary.superseded.append(heartbeat.key)
        }
    }

    /// Renews a lease without a word about health.
    func renew(_ key: InstanceKey) {
        let now = clock.now()
        switch leases.beat(key, reported: nil, ifMatch: nil, now: now.monotonic) {
        case .alive(let handle), .mustReport(let handle): beats.note(handle, at: now.time)
        case .unknown, .superseded: break
        }
    }

    /// What the registry's own probe of an external service found.
    public func reportProbe(of key: InstanceKey, handle: InstanceHandle, health: Health, detail: String) {
        let report = Command.report(key, handle: handle, reported: health, detail: detail, isProbe: true)
        queue.enqueueUrgent(Submission(commands: [report], actor: nil) { _ in })
    }
}

extension HeartbeatSummary {
    /// An instance that went while its report waited is unknown or superseded after all.
    fileprivate func afterReports(_ results: [Result<CommandOutcome, RegistryError>]) -> HeartbeatSummary {
        var summary = self
        for (command, result) in zip(reports, results) {
            guard case .failure(let error) = result, case .report(let key, _, _, _, _) = command else { continue }
            summary.accepted -= 1
            if error.code == .unknownInstance { summary.unknown.append(key) }
            if error.code == .superseded { summary.superseded.append(key) }
        }
        return summary
    }
}

extension [Result<CommandOutcome, RegistryError>] {
    fileprivate var firstFailure: RegistryError? {
        for case .failure(let error) in self where error.code != .unknownInstance && error.code != .superseded {
            return error
        }
        return nil
    }
}

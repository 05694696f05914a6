import EventLog
import RegistryModel

/// What was recorded shortly before this start: when instances last beat, and when the daemon was up.
struct RecentHistory: Sendable {
    var lastBeats: [InstanceHandle: Timestamp]
    var allowance: RestartAllowance

    /// At most so much recorded time is looked at.
    private static let longest = Duration.seconds(3_600)

    /// Reads back until enough uptime is covered to tell who was silent for a whole ttl, and who has been unhealthy for
    /// the whole of `deregisterAfter`; at most an hour of recorded time.
    static func read(_ directory: DataDirectory, policy: HealthPolicy) throws -> RecentHistory {
        let beats = try LogReader(directory: directory.beats, stream: .beats)
        let log = try LogReader(directory: directory.log, stream: .log)
        guard let newest = try max(beats.lastTime, log.lastTime) else {
            return RecentHistory(lastBeats: [:], allowance: RestartAllowance(runs: []))
        }
        // One ttl of it is given away, and another is what an instance may be silent.
        let uptime = policy.deregisterAfter + policy.ttl * 2
        var window = min(longest, max(uptime, .seconds(60)))
        var allowance = try readRuns(beats, log, since: newest.advanced(by: .zero - window))
        while allowance.uptime < uptime, window < longest {
            window = min(longest, window * 4)
            allowance = try readRuns(beats, log, since: newest.advanced(by: .zero - window))
        }
        let since = allowance.start(ofLast: policy.ttl * 2) ?? newest
        return RecentHistory(lastBeats: try readLastBeats(beats, since: since), allowance: allowance)
    }

    private static func readRuns(
        _ beats: LogReader,
        _ log: LogReader,
        since: Timestamp
    ) throws -> RestartAllowance {
        var noted: [(time: Timestamp, isStart: Bool)] = []
        try beats.forEach(since: since, until: nil) { event, _ in
            noted.append((event.time, false))
            return true
        }
        try log.forEach(since: since, until: nil) { event, _ in
            if case .registryStarted = event.kind {
                noted.append((event.time, true))
            } else {
                noted.append((event.time, false))
            }
            return true
        }
        noted.sort { $0.time < $1.time }
        var runs = RunCollector()
        for (time, isStart) in noted { runs.note(time, isStart: isStart) }
        return RestartAllowance(runs: runs.runs)
    }

    private static func readLastBeats(
        _ beats: LogReader,
        since: Timestamp
    ) throws -> [InstanceHandle: Timestamp] {
        var lastBeats: [InstanceHandle: Timestamp] = [:]
        try beats.forEach(since: since, until: nil) { event, _ in
            guard case .heartbeats(let packed) = event.kind else { return true }
            // swift-format-ignore: ReplaceForEachWithForLoop
            try packed.forEach { handle, time in
                lastBeats[handle] = max(lastBeats[handle] ?? time, time)
            }
            return true
        }
        return lastBeats
    }
}

private func max(_ a: Timestamp?, _ b: Timestamp?) -> Timestamp? {
    guard let a, let b else { return a ?? b }
    return Swift.max(a, b)
}

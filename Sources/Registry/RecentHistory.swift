import EventLog
import RegistryModel

/// What was recorded shortly before this start: when instances last beat, and when the daemon was up.
struct RecentHistory: Sendable {
    var lastBeats: [InstanceHandle: Timestamp]
    var allowance: RestartAllowance

    /// Reads back until a whole ttl of uptime is covered, or the beats end; at most an hour of recorded time.
    static func read(_ directory: DataDirectory, ttl: Duration) throws -> RecentHistory {
        let beats = try LogReader(directory: directory.beats, stream: .beats)
        let log = try LogReader(directory: directory.log, stream: .log)
        guard let newest = try max(beats.lastTime, log.lastTime) else {
            return RecentHistory(lastBeats: [:], allowance: RestartAllowance(runs: []))
        }
        var window = max(ttl * 2, .seconds(60))
        while true {
            let history = try read(beats, log, since: newest.advanced(by: .zero - window))
            if history.allowance.uptime >= ttl * 2 || window >= .seconds(3_600) { return history }
            window *= 4
        }
    }

    private static func read(_ beats: LogReader, _ log: LogReader, since: Timestamp) throws -> RecentHistory {
        var lastBeats: [InstanceHandle: Timestamp] = [:]
        var noted: [(time: Timestamp, isStart: Bool)] = []
        try beats.forEach(since: since, until: nil) { event, _ in
            guard case .heartbeats(let packed) = event.kind else { return true }
            noted.append((event.time, false))
            try packed.forEach { handle, time in
                lastBeats[handle] = max(lastBeats[handle] ?? time, time)
            }
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
        return RecentHistory(lastBeats: lastBeats, allowance: RestartAllowance(runs: runs.runs))
    }
}

private func max(_ a: Timestamp?, _ b: Timestamp?) -> Timestamp? {
    guard let a, let b else { return a ?? b }
    return Swift.max(a, b)
}

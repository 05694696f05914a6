import RegistryModel

/// How long instances have been silent, counted over the time that the registry was up, when it starts again.
///
/// Only time counts during which the registry was up and could log. At the first start after an instance's last beat it
/// is given one ttl; it gets that once until it beats again, so that a registry in a crash loop can't keep the dead
/// alive.
struct RestartAllowance: Sendable {
    /// One life of the daemon, from its start to the last thing it recorded.
    struct Run: Sendable, Equatable {
        var start: Timestamp
        var end: Timestamp
    }

    /// In order of time; the last is the one before this start.
    let runs: [Run]

    /// Elapsed time at this start, for an instance last heard of at `lastSeen`.
    func elapsed(since lastSeen: Timestamp, ttl: Duration) -> Duration {
        var elapsed = Duration.zero
        var hasAllowance = true
        for run in runs where run.end >= lastSeen {
            elapsed += max(.zero, run.end.since(max(run.start, lastSeen)))
            if hasAllowance {
                elapsed = max(.zero, elapsed - ttl)
                hasAllowance = false
            }
        }
        return elapsed
    }

    /// When the last `uptime` began; the first run's start where less is recorded.
    func start(ofLast uptime: Duration) -> Timestamp? {
        var covered = Duration.zero
        for run in runs.reversed() {
            let length = max(.zero, run.end.since(run.start))
            if covered + length >= uptime { return run.end.advanced(by: covered - uptime) }
            covered += length
        }
        return runs.first?.start
    }

    /// All time recorded.
    var uptime: Duration {
        runs.reduce(.zero) { $0 + max(.zero, $1.end.since($1.start)) }
    }
}

/// Gathers ``RestartAllowance/Run``s from what was recorded, in order of time.
struct RunCollector {
    private(set) var runs: [RestartAllowance.Run] = []

    /// Something was recorded at `time`; `isStart`: the daemon's first event of a life.
    mutating func note(_ time: Timestamp, isStart: Bool) {
        if isStart || runs.isEmpty {
            runs.append(RestartAllowance.Run(start: time, end: time))
        } else {
            runs[runs.count - 1].end = max(runs[runs.count - 1].end, time)
        }
    }
}

import EventLog
import Glibc
public import RegistryModel

/// How much of what a log holds.
public struct LogStatistics: Sendable {
    public var first: Event?
    public var last: Event?
    public var events: UInt64 = 0
    /// By ``EventSummary/kind``.
    public var kinds: [String: UInt64] = [:]
    public var services: [ServiceName: UInt64] = [:]
    public var actors: [String: UInt64] = [:]
    public var starts: UInt64 = 0
    public var crashes: UInt64 = 0
    public var clockSteps: [Event] = []
    public var restores: [Event] = []
    public var heartbeats: UInt64 = 0
    public var logBytes: UInt64 = 0
    public var beatsBytes: UInt64 = 0

    public static func of(_ source: AuditSource) throws -> LogStatistics {
        var statistics = LogStatistics()
        let reader = try source.logReader()
        try reader.forEach(from: SequenceNumber(1)) { event, _ in
            statistics.take(event)
            return true
        }
        statistics.logBytes = bytes(in: source.log, of: try reader.segments())
        statistics.heartbeats = try heartbeats(in: source)
        if let directory = source.beats {
            statistics.beatsBytes = bytes(in: directory, of: try source.beatsReader()?.segments() ?? [])
        }
        return statistics
    }

    /// How many heartbeats are held.
    public static func heartbeats(in source: AuditSource) throws -> UInt64 {
        guard let beats = try source.beatsReader() else { return 0 }
        var count: UInt64 = 0
        try beats.forEach(from: try beats.segments().first ?? SequenceNumber(1)) { event, _ in
            if case .heartbeats(let packed) = event.kind { count += UInt64(packed.count) }
            return true
        }
        return count
    }

    private mutating func take(_ event: Event) {
        let summary = EventSummary(event)
        if first == nil { first = event }
        last = event
        events += 1
        kinds[summary.kind, default: 0] += 1
        if let service = summary.service { services[service, default: 0] += 1 }
        actors[event.actorText, default: 0] += 1
        switch event.kind {
        case .registryStarted(_, let clean):
            starts += 1
            if !clean { crashes += 1 }
        case .clockStepped: clockSteps.append(event)
        case .registryRestored: restores.append(event)
        default: break
        }
    }

    private static func bytes(in directory: String, of segments: [SequenceNumber]) -> UInt64 {
        segments.reduce(0) { total, first in
            var status = stat()
            return stat(LogReader.path(of: first, in: directory), &status) == 0
                ? total + UInt64(clamping: status.st_size) : total
        }
    }
}

import EventLog
import Glibc
import OpenSSLCrypto
import RegistryModel

extension LogVerification {
    /// Looks through the heartbeats, and compares each sealed segment with what the log says of it.
    mutating func judgeBeats(_ source: AuditSource, _ seals: [BeatsSeal]) throws {
        guard let directory = source.beats else { return }
        var audit = try LogAudit(directory: directory, stream: .beats, isClosed: source.isClosed)
        var counts: [String: UInt64] = [:]
        var unreadable: [Problem] = []
        let summary = try audit.run { shown in
            guard case .heartbeats(let packed) = shown.event.kind else {
                unreadable.append(
                    Problem(
                        path: shown.path,
                        offset: shown.offset,
                        sequence: shown.event.sequence,
                        what: "an event among the heartbeats that is none"
                    )
                )
                return
            }
            do {
                try packed.check()
                counts[shown.path, default: 0] += UInt64(packed.count)
            } catch {
                unreadable.append(
                    Problem(
                        path: shown.path,
                        offset: shown.offset,
                        sequence: shown.event.sequence,
                        what: "\(error)"
                    )
                )
            }
        }
        heartbeats.read = counts.values.reduce(0, +)
        problems += summary.findings.map {
            Problem(path: $0.path, offset: $0.offset, sequence: $0.batch, what: $0.what)
        }
        problems += unreadable
        for seal in seals { judge(seal, summary, counts) }
        for segment in summary.segments
        where segment.isSealed && !seals.contains(where: { $0.first == segment.first })
            && isSealOverdue(segment, summary)
        {
            problems.append(
                Problem(path: segment.path, sequence: segment.first, what: "no seal of this segment is on record")
            )
        }
    }

    /// The newest sealed segment's record may still have been on its way when the daemon ended.
    private func isSealOverdue(_ segment: LogAudit.Segment, _ summary: LogAudit.Summary) -> Bool {
        guard let newest = summary.segments.last(where: \.isSealed) else { return false }
        return segment.first != newest.first
    }

    private mutating func judge(_ seal: BeatsSeal, _ beats: LogAudit.Summary, _ counts: [String: UInt64]) {
        guard let segment = beats.segments.first(where: { $0.first == seal.first }) else {
            // Retention removes the oldest; a gap behind them is none of its.
            if seal.first < beats.first || beats.segments.isEmpty {
                heartbeats.thinnedSegments += 1
            } else {
                problems.append(
                    Problem(
                        path: "",
                        sequence: seal.first,
                        what: "the sealed heartbeats from \(seal.first) on are missing"
                    )
                )
            }
            return
        }
        guard segment.last == seal.last, counts[segment.path] == seal.count,
            Self.sha256(of: segment.path) == seal.sha256
        else {
            problems.append(
                Problem(path: segment.path, sequence: seal.first, what: "the heartbeats are not those that were sealed")
            )
            return
        }
    }

    private static func sha256(of path: String) -> [UInt8]? {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0, let hasher = try? SHA256Hasher() else { return nil }
        defer { close(descriptor) }
        var buffer = [UInt8](repeating: 0, count: 256 * 1_024)
        while case let count = read(descriptor, &buffer, buffer.count), count > 0 {
            buffer.withUnsafeBytes { hasher.update(UnsafeRawBufferPointer(rebasing: $0[..<count])) }
        }
        return hasher.finalize().bytes
    }
}

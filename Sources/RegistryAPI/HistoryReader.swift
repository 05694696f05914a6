import EventLog
import NIOPosix
import Registry
import RegistryModel
import Replay

/// Answers questions about the past from the registry's own log: one at a time, and bounded, because it costs what the
/// log is long. Whoever asks more is told the command that has no bound.
struct HistoryReader: Sendable {
    /// Events that are folded for an answer, at most: about two seconds of a processor.
    static let eventsAtMost: UInt64 = 2_000_000
    /// Of a history that is told, the newest.
    static let eventsTold = 1_000

    let registry: ServiceRegistry

    func answer<R: Sendable>(_ body: @escaping @Sendable (AuditSource) throws -> R) async throws -> R {
        let data = registry.dataDirectory.path
        let snapshots = registry.snapshotDirectory
        guard registry.beginReplay() else {
            var problem = unavailable("history-busy", "another question about history is being answered", data)
            problem.retryAfterSeconds = 2
            throw problem
        }
        defer { registry.endReplay() }
        do {
            return try await NIOThreadPool.singleton.runIfActive {
                try body(try AuditSource(dataDirectory: data, snapshots: snapshots))
            }
        } catch let error as ReplayError where error.code == .tooLong {
            throw unavailable("history-too-long", error.message, data)
        } catch let error as ReplayError {
            throw ProblemDetails(
                code: "no-history",
                status: error.code == .notFound ? 404 : 500,
                title: "No such history",
                detail: error.message,
                hint: error.hint
            )
        }
    }

    private func unavailable(_ code: String, _ detail: String, _ data: String) -> ProblemDetails {
        ProblemDetails(
            code: code,
            status: 503,
            title: "History is not told",
            detail: detail,
            hint: "hms-replay state --at TIME --data \(data)"
        )
    }

    static func moment(_ text: String, now: Timestamp) throws -> Moment {
        guard let moment = Moment(text, now: now) else {
            throw ProblemDetails.badRequest("at=\(text.prefix(40)) is no moment", hint: Moment.form)
        }
        return moment
    }
}

import EventLog
import Hummingbird
import NIOCore
import NIOPosix
import Registry
import RegistryModel

extension RegistryRoutes {
    /// Of a segment's file, at most so much in one answer.
    private static let logPiece = 4 * 1_024 * 1_024

    /// The log's own files, to keep and verify a copy elsewhere: which segments there are, and their bytes through the last
    /// batch that is durable. A file only ever grows, so a copy goes on where it ended.
    func addLog(to router: Router<Context>) {
        onStream(router, .get, "/v1/log", parameters: ["follow", "from"], for: .auditors) { try await log($0) }
        on(router, .get, "/v1/log/:segment", parameters: ["offset"], for: .auditors) { request in
            guard request.target.path.count == 3, let first = UInt64(request.target.path[2]),
                let offset = UInt64(request.target.parameter("offset") ?? "0")
            else { throw ProblemDetails.badRequest("a segment is named by its first sequence, offset is a number") }
            let log = registry.dataDirectory.log
            let through = registry.sequence
            return try await NIOThreadPool.singleton.runIfActive {
                let reader = try LogReader(directory: log, stream: .log)
                return try Self.piece(of: SequenceNumber(first), at: offset, reader, through: through)
            }
        }
    }

    private func log(_ request: RoutedRequest) async throws -> Response {
        let from = request.target.parameter("from")
        switch request.target.parameter("follow") {
        case "1":
            guard let first = UInt64(from ?? "\(registry.sequence.next)"), first > 0 else {
                throw ProblemDetails.badRequest("from is the sequence of the first event that is wanted")
            }
            let place = try followers.admit()
            return LogStreamBody(registry: registry, from: SequenceNumber(first), place: place).response
        case nil where from == nil: break
        default:
            throw ProblemDetails.badRequest("follow is 1, or left out with from", hint: "/v1/log?from=1&follow=1")
        }
        let log = registry.dataDirectory.log
        let through = registry.sequence
        return try await NIOThreadPool.singleton.runIfActive {
            try Self.segments(of: try LogReader(directory: log, stream: .log), through: through)
        }.response
    }

    private static func segments(of reader: LogReader, through last: SequenceNumber) throws -> Reply {
        var json = JSONWriter()
        json.beginObject()
        json.member("sequence", last.rawValue)
        json.key("segments")
        json.beginArray()
        for first in try reader.segments() where first <= last {
            json.beginObject()
            json.member("first", first.rawValue)
            json.member("bytes", try reader.bytes(of: first, through: last))
            json.endObject()
        }
        json.endArray()
        json.endObject()
        var reply = Reply(json: json)
        reply.noteSequence(last)
        return reply
    }

    private static func piece(
        of first: SequenceNumber,
        at offset: UInt64,
        _ reader: LogReader,
        through last: SequenceNumber
    ) throws -> Reply {
        guard try reader.segments().contains(first) else {
            throw ProblemDetails(
                code: "unknown-segment",
                status: 404,
                title: "Unknown segment",
                detail: "no segment of the log begins with \(first)"
            )
        }
        let end = try reader.bytes(of: first, through: last)
        let count = offset < end ? Int(min(end - offset, UInt64(logPiece))) : 0
        var reply = Reply(body: ByteBuffer(bytes: try reader.bytes(of: first, at: offset, count: count)))
        reply.contentType = "application/octet-stream"
        reply.noteSequence(last)
        return reply
    }
}

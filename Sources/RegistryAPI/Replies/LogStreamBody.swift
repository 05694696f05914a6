import EventLog
import Hummingbird
import NIOCore
import NIOPosix
import Registry
import RegistryModel
import ServiceLifecycle

/// The log's own frames as they become durable, for whoever keeps a copy elsewhere.
struct LogStreamBody: Sendable {
    /// The log is looked at this often.
    private static let tick = Duration.milliseconds(100)
    /// How long the answer lasts without news.
    static let idle = Duration.seconds(60)
    /// In one piece, about.
    private static let pieceBytes = 1 << 20

    let registry: ServiceRegistry
    let from: SequenceNumber
    /// Among those who follow; given back when the answer is over.
    let place: LogFollowers.Place
    /// With nothing new for so long the answer ends, and the reader asks anew: one that is gone is not waited for.
    var idle = Self.idle

    var response: Response {
        let body = ResponseBody { writer in
            try await write { try await writer.write(ByteBuffer(bytes: $0)) }
            try await writer.finish(nil)
        }
        return Response(
            status: .ok,
            headers: [
                .contentType: "application/octet-stream", .cacheControl: "no-store",
                .hmsSequence: String(registry.sequence.rawValue),
            ],
            body: body
        )
    }

    /// Shows what there is and what comes, until nothing has come for long.
    func write(_ body: ([UInt8]) async throws -> Void) async throws {
        defer { withExtendedLifetime(place) {} }
        var tail = LogTail(directory: registry.dataDirectory.log, from: from)
        var heardAt = ContinuousClock.now
        while !Task.isCancelled, !Task.isShuttingDownGracefully, ContinuousClock.now - heardAt < idle {
            let (bytes, next) = try await Self.piece(tail, through: registry.sequence)
            tail = next
            if bytes.isEmpty {
                try? await Task.sleep(for: Self.tick)  // cut short by cancellation: the loop ends then
            } else {
                try await body(bytes)
                heardAt = .now
            }
        }
    }

    /// Off the event loop: it reads files.
    private static func piece(_ tail: LogTail, through last: SequenceNumber) async throws -> ([UInt8], LogTail) {
        try await NIOThreadPool.singleton.runIfActive {
            var tail = tail
            let bytes = try tail.next(through: last, limit: pieceBytes)
            return (bytes, tail)
        }
    }
}

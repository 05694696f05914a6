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
    /// With nothing new for so long the answer ends, and the reader asks anew: one that is gone is not waited for.
    private static let idle = Duration.seconds(60)
    /// In one piece, about.
    private static let pieceBytes = 1 << 20

    let registry: ServiceRegistry
    let from: SequenceNumber

    var response: Response {
        let body = ResponseBody { writer in
            var tail = LogTail(directory: registry.dataDirectory.log, from: from)
            var heardAt = ContinuousClock.now
            while !Task.isCancelled, !Task.isShuttingDownGracefully, ContinuousClock.now - heardAt < Self.idle {
                let (bytes, next) = try await Self.piece(tail, through: registry.sequence)
                tail = next
                if bytes.isEmpty {
                    try? await Task.sleep(for: Self.tick)  // cut short by cancellation: the loop ends then
                } else {
                    heardAt = .now
                    try await writer.write(ByteBuffer(bytes: bytes))
                }
            }
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

    /// Off the event loop: it reads files.
    private static func piece(_ tail: LogTail, through last: SequenceNumber) async throws -> ([UInt8], LogTail) {
        try await NIOThreadPool.singleton.runIfActive {
            var tail = tail
            let bytes = try tail.next(through: last, limit: pieceBytes)
            return (bytes, tail)
        }
    }
}

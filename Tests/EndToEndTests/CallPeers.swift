import NIOCore
import NIOHPACK
import NIOHTTP2
import NIOPosix

/// One HTTP/2 stream as a test sees it: the messages of a gRPC call, by hand.
struct CallStream: Sendable {
    typealias Channel = NIOAsyncChannel<HTTP2Frame.FramePayload, HTTP2Frame.FramePayload>

    var outbound: NIOAsyncChannelOutboundWriter<HTTP2Frame.FramePayload>

    func head(_ fields: HPACKHeaders, ends: Bool = false) async throws {
        try await outbound.write(.headers(.init(headers: fields, endStream: ends)))
    }

    /// gRPC over HTTP2, "Length-Prefixed-Message".
    func message(_ text: String) async throws {
        var bytes = ByteBuffer(bytes: [0])
        bytes.writeInteger(UInt32(text.utf8.count))
        bytes.writeString(text)
        try await outbound.write(.data(.init(data: .byteBuffer(bytes))))
    }

    func end() async throws {
        try await outbound.write(.data(.init(data: .byteBuffer(ByteBuffer()), endStream: true)))
    }
}

/// What comes in on a stream, taken apart.
enum CallPart: Equatable {
    /// Heads and trailers.
    case fields([String: String])
    case message(String)
    case end
}

/// Puts messages together, however the frames were cut.
struct CallParts {
    private var iterator: NIOAsyncChannelInboundStream<HTTP2Frame.FramePayload>.AsyncIterator
    private var buffer = ByteBuffer()
    private var ready: [CallPart] = []

    init(_ stream: NIOAsyncChannelInboundStream<HTTP2Frame.FramePayload>) {
        iterator = stream.makeAsyncIterator()
    }

    /// - Returns: nil once the stream is closed.
    mutating func next() async throws -> CallPart? {
        while ready.isEmpty {
            guard let frame = try await iterator.next() else { return nil }
            take(frame)
        }
        return ready.removeFirst()
    }

    private mutating func take(_ frame: HTTP2Frame.FramePayload) {
        switch frame {
        case .headers(let frame):
            ready.append(.fields(Dictionary(frame.headers.map { ($0.name, $0.value) }) { $1 }))
            if frame.endStream { ready.append(.end) }
        case .data(let frame):
            if case .byteBuffer(var bytes) = frame.data { buffer.writeBuffer(&bytes) }
            while let length = buffer.getInteger(at: buffer.readerIndex + 1, as: UInt32.self),
                buffer.readableBytes >= 5 + Int(length)
            {
                buffer.moveReaderIndex(forwardBy: 5)
                ready.append(.message(buffer.readString(length: Int(length)) ?? ""))
            }
            if frame.endStream { ready.append(.end) }
        default: break
        }
    }
}

/// An application that speaks HTTP/2 without TLS.
struct CallServer {
    /// Serves each stream until `body` is over.
    static func with(
        serving serve: @escaping @Sendable (inout CallParts, CallStream) async throws -> Void,
        _ body: (UInt16) async throws -> Void
    ) async throws {
        let port = freeApplicationPort()
        let server = try await ServerBootstrap(group: .singletonMultiThreadedEventLoopGroup)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .bind(host: "127.0.0.1", port: Int(port)) { connection in
                connection.configureAsyncHTTP2Pipeline(mode: .server) { stream in
                    stream.eventLoop.makeCompletedFuture {
                        try CallStream.Channel(wrappingChannelSynchronously: stream)
                    }
                }
            }
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask {
                try await server.executeThenClose { connections in
                    await withDiscardingTaskGroup { tasks in
                        try? await accept(connections, serving: serve, in: &tasks)
                    }
                }
            }
            try await body(port)
            group.cancelAll()
        }
    }

    private static func accept(
        _ connections: NIOAsyncChannelInboundStream<NIOHTTP2Handler.AsyncStreamMultiplexer<CallStream.Channel>>,
        serving serve: @escaping @Sendable (inout CallParts, CallStream) async throws -> Void,
        in tasks: inout DiscardingTaskGroup
    ) async throws {
        for try await connection in connections {
            tasks.addTask { try? await serveAll(of: connection, serve) }
        }
    }

    private static func serveAll(
        of connection: NIOHTTP2Handler.AsyncStreamMultiplexer<CallStream.Channel>,
        _ serve: @escaping @Sendable (inout CallParts, CallStream) async throws -> Void
    ) async throws {
        try await withThrowingDiscardingTaskGroup { tasks in
            for try await stream in connection.inbound {
                tasks.addTask { try? await one(stream, serve) }
            }
        }
    }

    private static func one(
        _ stream: CallStream.Channel,
        _ serve: @Sendable (inout CallParts, CallStream) async throws -> Void
    ) async throws {
        try await stream.executeThenClose { inbound, outbound in
            var parts = CallParts(inbound)
            try await serve(&parts, CallStream(outbound: outbound))
        }
    }
}

/// A gRPC client's connection to the sidecar, by prior knowledge.
struct CallClient: Sendable {
    private let multiplexer: NIOHTTP2Handler.AsyncStreamMultiplexer<CallStream.Channel>
    private let channel: any NIOCore.Channel

    init(port: UInt16) async throws {
        (channel, multiplexer) = try await ClientBootstrap(group: .singletonMultiThreadedEventLoopGroup)
            .connect(host: "127.0.0.1", port: Int(port)) { channel in
                channel.configureAsyncHTTP2Pipeline(mode: .client) { stream in
                    stream.eventLoop.makeCompletedFuture {
                        try CallStream.Channel(wrappingChannelSynchronously: stream)
                    }
                }.map { (channel, $0) }
            }
    }

    func close() async throws {
        try await channel.close()
    }

    /// One call; its stream ends with `body`.
    func call<R: Sendable>(
        _ path: String,
        _ fields: [(String, String)] = [],
        authority: String = "callee",
        _ body: (inout CallParts, CallStream) async throws -> R
    ) async throws -> R {
        let stream = try await multiplexer.openStream { stream in
            stream.eventLoop.makeCompletedFuture { try CallStream.Channel(wrappingChannelSynchronously: stream) }
        }
        return try await stream.executeThenClose { inbound, outbound in
            let stream = CallStream(outbound: outbound)
            try await stream.head(
                HPACKHeaders(
                    [
                        (":method", "POST"), (":path", path), (":scheme", "http"), (":authority", authority),
                        ("content-type", "application/grpc"), ("te", "trailers"),
                    ] + fields
                )
            )
            var parts = CallParts(inbound)
            return try await body(&parts, stream)
        }
    }
}

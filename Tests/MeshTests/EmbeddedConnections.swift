import NIOCore
import NIOEmbedded

@testable import Mesh

/// A caller's HTTP/1 connection, without a socket: the test is caller and application both.
final class CallerConnection {
    let reads = ReadCounter()
    private let channel = EmbeddedChannel()
    let handler: HTTP1ServerHandler
    private let taken = Taken()

    private final class Taken {
        var requests: [TakenRequest] = []
    }

    init() throws {
        handler = HTTP1ServerHandler { [taken] head, writer in
            let request = TakenRequest(head, writer)
            taken.requests.append(request)
            return request
        }
        try channel.pipeline.syncOperations.addHandlers([reads, handler])
        try channel.connect(to: SocketAddress(unixDomainSocketPath: "/caller")).wait()
    }

    var isOpen: Bool { channel.isActive }

    /// Those that got as far as the application's side.
    var requests: [TakenRequest] { taken.requests }

    /// The caller writes.
    func receive(_ text: String) throws {
        try channel.receive(text)
    }

    /// The caller ends its own side.
    func receiveEnd() {
        channel.receiveEnd()
    }

    /// The connection is gone.
    func end() {
        channel.close(promise: nil)
        channel.embeddedEventLoop.run()
    }

    /// The socket has room for more, or so it thinks.
    func read() {
        channel.read()
    }

    /// What the caller has got since it looked last.
    func sent() throws -> String {
        channel.embeddedEventLoop.run()
        return try channel.allOutbound()
    }
}

/// A request as it came through, and the way to answer it.
final class TakenRequest: RequestSink {
    let head: RequestHead
    let writer: any ResponseWriter
    private(set) var body = ""
    private(set) var isWhole = false
    private(set) var trailers: [String] = []
    private(set) var isCallerGone = false

    init(_ head: RequestHead, _ writer: any ResponseWriter) {
        self.head = head
        self.writer = writer
    }

    var target: String { head.block.text(head.target) }

    func requestBody(_ data: ByteBuffer) { body += String(buffer: data) }

    func requestEnd(trailers: FieldBlock?) {
        isWhole = true
        self.trailers = trailers.map { block in block.fields.map { block.text($0.name) } } ?? []
    }

    func callerGone() { isCallerGone = true }
    func callerCanTakeMore() {}

    func answer(_ text: String) {
        writer.write(head: .sample(length: text.utf8.count), adding: AddedFields())
        writer.write(body: ByteBuffer(string: text))
        writer.writeEnd(trailers: nil)
    }

    func answer(status: Int, framing: BodyFraming) {
        writer.write(head: .sample(status: status, framing: framing), adding: AddedFields())
        writer.flush()
    }
}

/// A connection to a callee, without a socket: the test is the callee.
final class CalleeConnection {
    let handler = HTTP1ClientHandler()
    private let channel = EmbeddedChannel()
    private let releases = Releases()

    private final class Releases {
        var areReusable: [Bool] = []
    }

    init() throws {
        try channel.pipeline.syncOperations.addHandler(handler)
        try channel.connect(to: SocketAddress(unixDomainSocketPath: "/callee")).wait()
        handler.onRelease = { [releases] _, isReusable in releases.areReusable.append(isReusable) }
    }

    var isOpen: Bool { channel.isActive }

    /// Of each time that the connection was given back: whether it may be used again.
    var released: [Bool] { releases.areReusable }

    /// Sends a request without a body.
    func ask(_ method: String = "GET") throws -> TakenResponse {
        let response = TakenResponse()
        handler.start(response)
        let head = RequestHead(method: method, target: "/", fields: [("host", "callee")], bodyBytes: 0)
        handler.send(head: head, path: RequestTarget(path: head.target), adding: AddedFields())
        handler.sendEnd(trailers: nil)
        handler.flush()
        _ = try channel.allOutbound()
        return response
    }

    /// The callee writes.
    func receive(_ text: String) throws {
        try channel.receive(text)
    }

    /// The callee ends the connection.
    func receiveEnd() {
        channel.receiveEnd()
    }
}

/// A response as it came through, or why none did.
final class TakenResponse: ResponseSink {
    private(set) var statuses: [Int] = []
    private(set) var body = ""
    private(set) var isWhole = false
    private(set) var failure: ExchangeFailure?

    func response(_ head: ResponseHead) { statuses.append(head.status) }
    func responseBody(_ data: ByteBuffer) { body += String(buffer: data) }
    func responseEnd(trailers: FieldBlock?) { isWhole = true }
    func responseFailed(_ failure: ExchangeFailure) { self.failure = failure }
    func upstreamCanTakeMore() {}
    func responseReadComplete() {}
}

/// Counts what a connection asks its socket for.
final class ReadCounter: ChannelOutboundHandler {
    typealias OutboundIn = ByteBuffer

    private(set) var count = 0

    func read(context: ChannelHandlerContext) {
        count += 1
        context.read()
    }
}

extension ResponseHead {
    static func sample(length: Int) -> ResponseHead {
        var head = sample(status: 200, framing: .length(UInt64(length)))
        head.block.append("content-length", String(length), .contentLength)
        return head
    }

    static func sample(status: Int, framing: BodyFraming) -> ResponseHead {
        var block = FieldBlock()
        if status == 101 { block.append("upgrade", "websocket", .upgrade) }
        return ResponseHead(block: block, status: status, framing: framing, keepsAlive: true)
    }
}

extension EmbeddedChannel {
    /// The other end writes.
    fileprivate func receive(_ text: String) throws {
        try writeInbound(ByteBuffer(string: text))
        embeddedEventLoop.run()
    }

    /// The other end ends its own side.
    fileprivate func receiveEnd() {
        pipeline.fireUserInboundEventTriggered(ChannelEvent.inputClosed)
        embeddedEventLoop.run()
    }

    fileprivate func allOutbound() throws -> String {
        var text = ""
        while let bytes = try readOutbound(as: ByteBuffer.self) { text += String(buffer: bytes) }
        return text
    }
}

import NIOCore
import NIOEmbedded
import Testing

@testable import Mesh

/// HTTP/2 to a callee whose frames the test writes out (RFC 9113 §4.1).
@Suite("HTTP/2 streams to a callee")
struct CalleeStreamTests {
    private static let refused: UInt32 = 0x7
    private static let cancelled: UInt32 = 0x8

    @Test("a stream that was refused was not looked at: it may be sent elsewhere whatever it is")
    func refusedStream() throws {
        let connection = try StreamsConnection()
        let refused = try connection.ask()
        let reset = try connection.ask()
        try connection.receive(type: 3, stream: 1, Self.refused.bytes)
        try connection.receive(type: 3, stream: 3, Self.cancelled.bytes)
        #expect(refused.failure?.kind == .reset)
        #expect(refused.failure?.delivery == .no)
        #expect(reset.failure?.delivery == .unknown)
        #expect(connection.isUsable)
    }

    @Test(
        "of a connection that ends by GOAWAY, streams above its last id were not looked at, and those below get answers"
    )
    func goAway() throws {
        let connection = try StreamsConnection()
        let below = try connection.ask()
        let above = try connection.ask()
        try connection.receive(type: 7, stream: 0, UInt32(1).bytes + UInt32(0).bytes)
        #expect(above.failure?.delivery == .no)
        #expect(below.failure == nil)
        #expect(!connection.isUsable)
        #expect(connection.isOpen)
        try connection.receiveAnswer(stream: 1)
        #expect(below.statuses == [200])
        #expect(below.isWhole)
        // The last one takes the connection along.
        #expect(!connection.isOpen)
    }

    @Test("GOAWAY on a connection at rest ends it")
    func goAwayAtRest() throws {
        let connection = try StreamsConnection()
        let answered = try connection.ask()
        try connection.receiveAnswer(stream: 1)
        #expect(answered.isWhole)
        #expect(connection.isOpen)
        try connection.receive(type: 7, stream: 0, UInt32(1).bytes + UInt32(0).bytes)
        #expect(!connection.isOpen)
    }

    @Test("of a connection that ends without a word nobody knows what was done")
    func ended() throws {
        let connection = try StreamsConnection()
        let response = try connection.ask()
        connection.end()
        #expect(response.failure?.kind == .reset)
        #expect(response.failure?.delivery == .unknown)
        #expect(!connection.isUsable)
    }

    @Test("a connection that its pool has let go of ends in peace, and is gone then")
    func letGo() throws {
        let channel = EmbeddedChannel()
        var connection: HTTP2ClientConnection? = try HTTP2ClientConnection(
            channel,
            ConnectionTimes(connect: .zero, tls: nil)
        )
        weak let watched = connection
        try channel.connect(to: SocketAddress(unixDomainSocketPath: "/callee")).wait()
        // TLS says goodbye first: the channel closes later than it was asked to.
        connection = nil
        channel.close(promise: nil)
        channel.embeddedEventLoop.run()
        #expect(!channel.isActive)
        #expect(watched == nil)
    }
}

/// A connection whose other end is the test.
private final class StreamsConnection {
    private let channel = EmbeddedChannel()
    private let connection: HTTP2ClientConnection

    init() throws {
        connection = try HTTP2ClientConnection(channel, ConnectionTimes(connect: .zero, tls: nil))
        try channel.connect(to: SocketAddress(unixDomainSocketPath: "/callee")).wait()
        try receive(type: 4, stream: 0, [])
    }

    var isOpen: Bool { channel.isActive }
    var isUsable: Bool { connection.isUsable }

    /// Sends a request on a stream of its own: 1, then 3, …
    func ask() throws -> TakenResponse {
        let response = TakenResponse()
        var opened: Result<HTTP2ClientStream, ExchangeFailure>?
        connection.open { opened = $0 }
        channel.embeddedEventLoop.run()
        let stream = try #require(try opened?.get())
        stream.start(response)
        let head = RequestHead(method: "POST", target: "/", fields: [], bodyBytes: 0)
        stream.send(head: head, path: RequestTarget(path: head.target, authority: "callee"), adding: AddedFields())
        stream.sendEnd(trailers: nil)
        stream.flush()
        channel.embeddedEventLoop.run()
        return response
    }

    func receive(type: UInt8, flags: UInt8 = 0, stream: UInt32, _ payload: [UInt8]) throws {
        var frame = ByteBuffer()
        frame.writeBytes(UInt32(payload.count).bytes.dropFirst())
        frame.writeInteger(type)
        frame.writeInteger(flags)
        frame.writeInteger(stream)
        frame.writeBytes(payload)
        try channel.writeInbound(frame)
        channel.embeddedEventLoop.run()
    }

    /// `:status: 200` of HPACK's static table, END_HEADERS and END_STREAM.
    func receiveAnswer(stream: UInt32) throws {
        try receive(type: 1, flags: 0x5, stream: stream, [0x88])
    }

    func end() {
        channel.close(promise: nil)
        channel.embeddedEventLoop.run()
    }
}

extension UInt32 {
    /// In network order.
    fileprivate var bytes: [UInt8] {
        (0..<4).map { UInt8(truncatingIfNeeded: self >> (24 - 8 * UInt32($0))) }
    }
}

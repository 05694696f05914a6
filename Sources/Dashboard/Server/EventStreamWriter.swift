import NIOCore
import NIOHTTP1

/// Server-Sent Events (WHATWG HTML, "Server-sent events") to one page.
struct EventStreamWriter {
    typealias Outbound = NIOAsyncChannelOutboundWriter<HTTPServerResponsePart>

    private let outbound: Outbound

    /// Sends the head.
    init(beginning outbound: Outbound) async throws {
        self.outbound = outbound
        let head = HTTPResponseHead(
            version: .http1_1,
            status: .ok,
            headers: PageReply.fields(type: "text/event-stream; charset=utf-8")
        )
        try await outbound.write(.head(head))
    }

    /// Waits until the page can take it.
    ///
    /// - Parameter data: without line feeds.
    func send(_ data: [UInt8], as name: StaticString = "message") async throws {
        var buffer = ByteBuffer()
        buffer.reserveCapacity(data.count + 32)
        buffer.writeString("event: \(name)\ndata: ")
        buffer.writeBytes(data)
        buffer.writeStaticString("\n\n")
        try await outbound.write(.body(.byteBuffer(buffer)))
    }

    /// Says that the line is up; throws where it is not.
    func beat() async throws {
        try await outbound.write(.body(.byteBuffer(ByteBuffer(staticString: ":\n\n"))))
    }
}

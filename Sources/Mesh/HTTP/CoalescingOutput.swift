import NIOCore

/// What a connection is about to send: heads, chunk sizes and small bodies gathered into one buffer, so that a usual
/// message is one write and one TLS record; large bodies go by as they are.
struct CoalescingOutput {
    /// Bytes that are copied together: a TLS record's worth.
    private static let limit = 16 * 1_024

    private var buffer = ByteBuffer()
    private var isHandedOver = true

    /// Room for a head or a line.
    mutating func append(_ write: (inout ByteBuffer) -> Void) {
        prepare()
        write(&buffer)
    }

    mutating func append(body: ByteBuffer, isChunked: Bool, to context: ChannelHandlerContext?) {
        prepare()
        if isChunked { buffer.writeChunkSize(body.readableBytes) }
        if buffer.readableBytes + body.readableBytes <= Self.limit {
            buffer.writeImmutableBuffer(body)
        } else {
            handOver(to: context)
            context?.write(NIOAny(body), promise: nil)
            if isChunked { prepare() }
        }
        if isChunked { buffer.writeStaticString("\r\n") }
    }

    mutating func flush(to context: ChannelHandlerContext?) {
        handOver(to: context)
        context?.flush()
    }

    private mutating func handOver(to context: ChannelHandlerContext?) {
        guard !isHandedOver else { return }
        isHandedOver = true
        if buffer.readableBytes > 0 { context?.write(NIOAny(buffer), promise: nil) }
    }

    private mutating func prepare() {
        guard isHandedOver else { return }
        // Written already in nearly every case: then the storage is this one's alone and used again.
        buffer.clear(minimumCapacity: 1_024)
        isHandedOver = false
    }
}

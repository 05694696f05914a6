import NIOCore

/// What a connection is about to send: heads, chunk sizes and small bodies gathered into one buffer, so that a usual
/// message is one write and one TLS record; large bodies go by as they are.
///
/// It calls nobody: a write can come back into its own handler, which must find this at rest.
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

    /// - Returns: false where the body is too large to be copied: then its chunk's size stands here, and whoever writes it
    ///   after ``take()`` says ``endChunk()``.
    mutating func append(body: ByteBuffer, isChunked: Bool) -> Bool {
        prepare()
        if isChunked { buffer.writeChunkSize(body.readableBytes) }
        guard buffer.readableBytes + body.readableBytes <= Self.limit else { return false }
        buffer.writeImmutableBuffer(body)
        if isChunked { buffer.writeStaticString("\r\n") }
        return true
    }

    mutating func endChunk() {
        prepare()
        buffer.writeStaticString("\r\n")
    }

    /// What is to be written now; nil where there is nothing.
    mutating func take() -> ByteBuffer? {
        guard !isHandedOver else { return nil }
        isHandedOver = true
        return buffer.readableBytes > 0 ? buffer : nil
    }

    private mutating func prepare() {
        guard isHandedOver else { return }
        // Written already in nearly every case: then the storage is this one's alone and used again.
        buffer.clear(minimumCapacity: 1_024)
        isHandedOver = false
    }
}

extension ByteBuffer {
    /// Bytes up to which what was read is copied. The buffer that a socket or TLS reads into is used again only while
    /// nobody holds it, and TLS would copy all of its 32 KiB at the next read.
    private static let copied = 4 * 1_024

    /// Takes what one read brought behind what is here.
    mutating func take(_ bytes: inout ByteBuffer) {
        if readableBytes > 0 {
            writeBuffer(&bytes)
        } else if bytes.readableBytes <= Self.copied {
            // Nobody holds what was read before in nearly every case: then the storage is used again.
            clear(minimumCapacity: bytes.readableBytes)
            writeBuffer(&bytes)
        } else {
            self = bytes
        }
    }
}

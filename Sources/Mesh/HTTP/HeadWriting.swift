import NIOCore

/// Heads as HTTP/1.1 bytes: always written anew from parsed fields, with hop-by-hop fields and the mesh's own names left
/// behind and the framing that this hop uses.
extension ByteBuffer {
    /// - Parameter path: the origin form that goes on.
    mutating func write(_ head: RequestHead, path: RequestTarget, adding added: AddedFields) {
        reserveCapacity(minimumWritableBytes: head.block.bytes.readableBytes + 256)
        write(head.method, of: head.block)
        writeInteger(UInt8(ascii: " "))
        if path.isRoot { writeStaticString("/") } else { write(path.path, of: head.block) }
        writeStaticString(" HTTP/1.1\r\n")
        if let authority = path.authority {
            writeStaticString("host: ")
            writeString(authority)
            writeStaticString("\r\n")
        } else if let authority = head.authority {
            writeStaticString("host: ")
            write(authority, of: head.block)
            writeStaticString("\r\n")
        }
        let replacesHost = path.authority != nil || head.authority != nil
        writeFields(of: head.block) { known in
            switch known {
            case .host: !replacesHost
            case .contentLength: true
            default: !known.isHopByHop && !known.isMesh
            }
        }
        if head.framing == .chunked { writeStaticString("transfer-encoding: chunked\r\n") }
        if head.upgrades { writeUpgrade(head.block) }
        write(added)
        writeStaticString("\r\n")
    }

    /// - Parameters:
    ///   - keepsMesh: the mesh's own fields go on: they came from another sidecar.
    ///   - framing: of this hop.
    mutating func write(
        _ head: ResponseHead,
        framing: BodyFraming,
        keepsMesh: Bool,
        closes: Bool,
        adding added: AddedFields
    ) {
        reserveCapacity(minimumWritableBytes: head.block.bytes.readableBytes + 256)
        writeStaticString("HTTP/1.1 ")
        writeDecimal(UInt64(max(0, head.status)))
        writeInteger(UInt8(ascii: " "))
        writeStaticString(reasonPhrase(head.status))
        writeStaticString("\r\n")
        writeFields(of: head.block) { known in
            known == .contentLength || !known.isHopByHop && (keepsMesh || !known.isMesh)
        }
        if framing == .chunked { writeStaticString("transfer-encoding: chunked\r\n") }
        if head.status == 101 { writeUpgrade(head.block) } else if closes { writeStaticString("connection: close\r\n") }
        write(added)
        writeStaticString("\r\n")
    }

    /// The last chunk, and what is behind it.
    mutating func writeLastChunk(trailers: FieldBlock?, keepsMesh: Bool) {
        writeStaticString("0\r\n")
        if let trailers { writeFields(of: trailers) { !$0.isHopByHop && (keepsMesh || !$0.isMesh) } }
        writeStaticString("\r\n")
    }

    mutating func writeChunkSize(_ size: Int) {
        var digits = 1
        while digits < 16, size >> (digits * 4) != 0 { digits += 1 }
        for digit in stride(from: digits - 1, through: 0, by: -1) {
            let nibble = UInt8(truncatingIfNeeded: size >> (digit * 4)) & 0xf
            writeInteger(nibble < 10 ? UInt8(ascii: "0") + nibble : UInt8(ascii: "a") + nibble - 10)
        }
        writeStaticString("\r\n")
    }

    mutating func writeDecimal(_ number: UInt64) {
        var divisor: UInt64 = 1
        while number / divisor >= 10 { divisor *= 10 }
        while divisor > 0 {
            writeInteger(UInt8(ascii: "0") + UInt8(number / divisor % 10))
            divisor /= 10
        }
    }

    private mutating func write(_ added: AddedFields) {
        for field in added.fields {
            writeStaticString(field.name)
            writeStaticString(": ")
            switch field.value {
            case .text(let text): writeString(text)
            case .number(let number): writeDecimal(number)
            case .trace(let trace): trace.write(to: &self)
            }
            writeStaticString("\r\n")
        }
    }

    private mutating func writeUpgrade(_ block: FieldBlock) {
        guard let upgrade = block.first(.upgrade) else { return }
        writeStaticString("connection: upgrade\r\nupgrade: ")
        write(upgrade.value, of: block)
        writeStaticString("\r\n")
    }

    private mutating func write(_ range: Range<UInt16>, of block: FieldBlock) {
        block.bytes.withUnsafeReadableBytes { _ = writeBytes($0[range.integers]) }
    }

    /// Copies the fields that are kept, one after the other, with one reservation.
    @inline(__always)
    private mutating func writeFields(of block: FieldBlock, where keeps: (KnownField) -> Bool) {
        let most = block.bytes.readableBytes + 4 * block.fields.count
        block.bytes.withUnsafeReadableBytes { source in
            guard let from = source.baseAddress else { return }
            writeWithUnsafeMutableBytes(minimumWritableBytes: most) { target in
                guard let start = target.baseAddress else { return 0 }
                var to = start
                for field in block.fields where keeps(field.known) {
                    to.copyMemory(from: from + Int(field.name.lowerBound), byteCount: field.name.count)
                    to += field.name.count
                    to.storeBytes(of: 0x203a, as: UInt16.self)
                    to += 2
                    to.copyMemory(from: from + Int(field.value.lowerBound), byteCount: field.value.count)
                    to += field.value.count
                    to.storeBytes(of: 0x0a0d, as: UInt16.self)
                    to += 2
                }
                return to - start
            }
        }
    }
}

/// RFC 9110 §15; others have none, which HTTP/1.1 allows.
func reasonPhrase(_ status: Int) -> StaticString {
    switch status {
    case 100: "Continue"
    case 101: "Switching Protocols"
    case 103: "Early Hints"
    case 200: "OK"
    case 201: "Created"
    case 202: "Accepted"
    case 204: "No Content"
    case 206: "Partial Content"
    case 301: "Moved Permanently"
    case 302: "Found"
    case 303: "See Other"
    case 304: "Not Modified"
    case 307: "Temporary Redirect"
    case 308: "Permanent Redirect"
    case 400: "Bad Request"
    case 401: "Unauthorized"
    case 403: "Forbidden"
    case 404: "Not Found"
    case 405: "Method Not Allowed"
    case 408: "Request Timeout"
    case 409: "Conflict"
    case 410: "Gone"
    case 412: "Precondition Failed"
    case 413: "Content Too Large"
    case 415: "Unsupported Media Type"
    case 422: "Unprocessable Content"
    case 429: "Too Many Requests"
    case 500: "Internal Server Error"
    case 501: "Not Implemented"
    case 502: "Bad Gateway"
    case 503: "Service Unavailable"
    case 504: "Gateway Timeout"
    default: ""
    }
}

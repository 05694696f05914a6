import NIOCore

/// How long a message's body is, and how its end shows (RFC 9112 §6).
enum BodyFraming: Equatable {
    case none
    case length(UInt64)
    case chunked
    /// A response that ends with its connection.
    case untilClose
    /// After `101` or `CONNECT`: bytes both ways, no messages any more.
    case tunnel
}

/// A request's head, whatever version it came in.
struct RequestHead {
    var block: FieldBlock
    var method: Range<UInt16>
    /// The request-target as it came (RFC 9112 §3.2): `/path`, `http://host/path`, `*` or `host:port`.
    var target: Range<UInt16>
    var framing: BodyFraming
    /// Whether the connection may carry another request after this one.
    var keepsAlive: Bool
    /// `Connection: upgrade` with an `Upgrade` that is passed on (not `h2c`).
    var upgrades: Bool
    /// Of an HTTP/2 request: `:authority`; HTTP/1 has it in `Host`.
    var authority: Range<UInt16>?
    var isHTTP2 = false
    /// No chunks and no interim responses for this caller.
    var isHTTP10 = false

    var isHead: Bool { block.equals(method, "HEAD") }
    var isConnect: Bool { block.equals(method, "CONNECT") }

    /// gRPC's own content type (gRPC over HTTP2): errors go in its trailers.
    var isGRPC: Bool {
        guard let field = block.first(.contentType) else { return false }
        return block.hasPrefix(field.value, "application/grpc")
    }

    /// May be sent twice without harm by what the request itself says (RFC 9110 §9.2.2, or an idempotency key).
    var isRepeatable: Bool {
        for method in ["GET", "HEAD", "PUT", "DELETE", "OPTIONS"] as [StaticString]
        where block.equals(self.method, method) {
            return true
        }
        return block.first(.idempotencyKey) != nil
    }
}

extension RequestHead {
    /// One that this process makes itself. What a head has no room for is left out.
    init(method: String, target: String, fields: [(String, String)], bodyBytes: Int) {
        var block = FieldBlock()
        block.bytes.writeString(method)
        block.bytes.writeString(target)
        let start = UInt16(clamping: method.utf8.count)
        let end = UInt16(clamping: block.bytes.readableBytes)
        for (name, value) in fields { block.append(name, value) }
        if bodyBytes > 0 { block.append("content-length", String(bodyBytes), .contentLength) }
        self.init(
            block: block,
            method: 0..<start,
            target: start..<max(start, end),
            framing: bodyBytes > 0 ? .length(UInt64(bodyBytes)) : .none,
            keepsAlive: true,
            upgrades: false
        )
    }

    /// Without the caller's word of its trace, which another one takes the place of.
    func withoutTrace() -> RequestHead {
        var head = self
        head.block.fields.removeAll { $0.known == .traceparent }
        return head
    }
}

extension RequestHead {
    /// What the call itself says of its time: the caller's own limit, or what is left of the one before it.
    var ownTimeout: TimeAmount? {
        guard block.fields.contains(where: { $0.known == .meshTimeout || $0.known == .grpcTimeout }) else { return nil }
        let mesh = block.value(.meshTimeout).flatMap { TimeAmount(timeoutHeader: $0) }
        let grpc = block.value(.grpcTimeout).flatMap { TimeAmount(grpcTimeout: $0) }
        guard let mesh, let grpc else { return mesh ?? grpc }
        return min(mesh, grpc)
    }
}

/// A response's head, whatever version it came in.
struct ResponseHead {
    var block: FieldBlock
    var status: Int
    var framing: BodyFraming
    var keepsAlive: Bool

    var isInformational: Bool { status >= 100 && status < 200 && status != 101 }
}

extension FieldBlock {
    @inline(__always)
    func equals(_ range: Range<UInt16>, _ text: StaticString) -> Bool {
        bytes.withUnsafeReadableBytes { bytes in
            guard range.count == text.utf8CodeUnitCount else { return false }
            for index in 0..<range.count where bytes[Int(range.lowerBound) + index] != text.utf8Start[index] {
                return false
            }
            return true
        }
    }

    /// Compares without regard to case; `text` is lower-case.
    func hasPrefix(_ range: Range<UInt16>, _ text: StaticString) -> Bool {
        bytes.withUnsafeReadableBytes { bytes in
            guard range.count >= text.utf8CodeUnitCount else { return false }
            for index in 0..<text.utf8CodeUnitCount
            where bytes[Int(range.lowerBound) + index] | 0x20 != text.utf8Start[index] | 0x20 {
                return false
            }
            return true
        }
    }
}

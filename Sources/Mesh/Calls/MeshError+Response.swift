import NIOCore
import RegistryModel

/// The mesh's own answers: the code in `x-hms-error`, what happened and what to do in a JSON body; for gRPC a
/// trailers-only answer with the fitting status (gRPC over HTTP2, "Responses").
extension MeshError {
    func write(to writer: any ResponseWriter, isGRPC: Bool = false, retryAfter: TimeAmount? = nil) {
        var added = AddedFields()
        added.add("x-hms-error", code.description)
        added.add("x-hms-delivered", delivered.description)
        if attempts > 0 { added.add("x-hms-attempts", String(attempts)) }
        if code.forbidsRetry { added.add("x-hms-retry", "no") }
        if let retryAfter { added.add("retry-after", String(max(1, retryAfter.seconds))) }
        var block = FieldBlock()
        guard !(isGRPC && writer.isHTTP2) else {
            block.append("content-type", "application/grpc", .contentType)
            block.append("grpc-status", String(code.grpcStatus), .grpcStatus)
            block.append(
                "grpc-message",
                PercentCoding.encoded("\(code): \(message)", keeping: Self.isKeptInStatusMessage)
            )
            writer.write(head: ResponseHead(block: block, status: 200, framing: .none, keepsAlive: true), adding: added)
            return writer.writeEnd(trailers: nil)
        }
        let body = json()
        block.append("content-type", "application/json", .contentType)
        block.append("content-length", String(body.count), .contentLength)
        writer.write(
            head: ResponseHead(
                block: block,
                status: code.status,
                framing: .length(UInt64(body.count)),
                keepsAlive: true
            ),
            adding: added
        )
        writer.write(body: ByteBuffer(bytes: body))
        writer.writeEnd(trailers: nil)
    }

    /// gRPC over HTTP2, "Status-Message": printable ASCII but `%` as itself.
    private static func isKeptInStatusMessage(_ byte: UInt8) -> Bool {
        byte >= 0x20 && byte < 0x7f && byte != UInt8(ascii: "%")
    }
}

import NIOCore

/// A call whose bytes go through as they come, each side held back by the other: what a call and a pass-through have in
/// common once there is a response.
protocol StreamingCall: RequestSink, ResponseSink {
    var writer: any ResponseWriter { get }
    var exchange: (any UpstreamExchange)? { get }
    /// The response's head went to the caller, and its end did not.
    var isStreaming: Bool { get }
    /// Bytes of the response.
    var sent: Int { get set }
    /// When a byte last went either way.
    var lastActivity: NIODeadline { get set }
}

extension StreamingCall {
    func responseBody(_ data: ByteBuffer) {
        sent += data.readableBytes
        writer.write(body: data)
        lastActivity = .now()
        if !writer.canTakeMore { exchange?.setReading(false) }
    }

    func responseReadComplete() {
        if isStreaming { writer.flush() }
    }

    func callerCanTakeMore() {
        exchange?.setReading(true)
    }

    func upstreamCanTakeMore() {
        writer.setReading(true)
    }
}

import NIOCore

/// Takes what comes of one request: a call of the outbound or the inbound side. Everything happens on one event loop.
protocol RequestSink: AnyObject {
    func requestBody(_ data: ByteBuffer)
    func requestEnd(trailers: FieldBlock?)
    /// The caller closed or reset before it had its answer: nobody waits any more.
    func callerGone()
    /// What was written is gone: more may follow.
    func callerCanTakeMore()
}

/// Where a response goes: an HTTP/1 connection's turn, or an HTTP/2 stream.
protocol ResponseWriter: AnyObject {
    var isHTTP2: Bool { get }
    /// False: what was written waits; hold what comes until ``RequestSink/callerCanTakeMore()``.
    var canTakeMore: Bool { get }
    func write(informational head: ResponseHead)
    func write(head: ResponseHead, adding fields: AddedFields)
    func write(body: ByteBuffer)
    func writeEnd(trailers: FieldBlock?)
    func flush()
    /// The response can't be ended as it began: cuts it, so that nobody takes it for whole.
    func cut()
    /// Whether more of the request's body is wanted.
    func setReading(_ isWanted: Bool)
}

/// Takes what comes of one try.
protocol ResponseSink: AnyObject {
    func response(_ head: ResponseHead)
    func responseBody(_ data: ByteBuffer)
    func responseEnd(trailers: FieldBlock?)
    func responseFailed(_ failure: ExchangeFailure)
    func upstreamCanTakeMore()
    /// All that one read brought was handed on.
    func responseReadComplete()
}

/// One request on its way over a connection or stream of its own.
protocol UpstreamExchange: AnyObject {
    var canTakeMore: Bool { get }
    /// Of the connection, when it was made.
    var connectionTimes: ConnectionTimes? { get }
    func send(head: RequestHead, path: RequestTarget, adding fields: AddedFields)
    func send(body: ByteBuffer)
    func sendEnd(trailers: FieldBlock?)
    func flush()
    func setReading(_ isWanted: Bool)
    /// The answer is not wanted: a short one is read to its end, so that the connection can be used again.
    func discard()
    /// Nobody wants the answer any more: frees the stream, or ends the connection. The sink hears nothing further.
    func cancel()
}

/// Why a try got no whole answer.
struct ExchangeFailure: Error {
    enum Kind {
        case connect
        case tls
        /// The connection ended or was reset.
        case reset
        /// What came is no HTTP.
        case malformed
    }

    var kind: Kind
    /// Whether the callee may have seen the request.
    var delivery: Delivery
    var message: String
    /// A refusal with a code of its own: `wrong-peer`, `clock-skew`, …
    var code: MeshErrorCode?
    /// A clock that is wrong would explain it.
    var mayBeClock = false
}

/// The target that goes on: always the path, whatever form came.
struct RequestTarget {
    /// Of the head's bytes.
    var path: Range<UInt16>
    /// Written as `Host` or `:authority`; nil: as it came.
    var authority: String?
    /// `/` where an absolute form had no path.
    var isRoot = false
}

/// Fields that the mesh adds to a head that it passes on. Names are lower-case.
struct AddedFields {
    /// Numbers and traces are written into a head as they are, with no string made of them.
    enum Value: CustomStringConvertible {
        case text(String)
        case number(UInt64)
        case trace(TraceParent)

        var description: String {
            switch self {
            case .text(let text): text
            case .number(let number): String(number)
            case .trace(let trace): trace.description
            }
        }
    }

    private(set) var fields: [(name: StaticString, value: Value)] = []

    mutating func add(_ name: StaticString, _ value: String) {
        add(name, .text(value))
    }

    mutating func add(_ name: StaticString, _ value: UInt64) {
        add(name, .number(value))
    }

    mutating func add(_ name: StaticString, _ value: Value) {
        // Seldom more: one allocation instead of two or three.
        if fields.isEmpty { fields.reserveCapacity(4) }
        fields.append((name, value))
    }
}
